// STORE: flags of many messages at once, block by block.

import { Fault, normaliseRanges, type Ranges } from '../base/index.ts'
import type { Writer } from '../store/index.ts'
import { toHooked } from './copy.ts'
import { resolveFlags } from './flags.ts'
import { createRangeList, OpenMailbox, type Visit } from './open-mailbox.ts'
import { changeableFlags, changeableNames, permit } from './rights.ts'
import type { Access, FlagBits, FlagChange, MailHooks } from './types.ts'

/** Changes flags; see MailWrites.setFlags. */
export async function setFlags(
  tx: Writer,
  epoch: number,
  access: Access,
  uids: Ranges,
  change: FlagChange,
  flagged?: MailHooks['flagged'],
): Promise<{ modseq: number; modified: Ranges }> {
  const { owner: account, mailbox: id } = access
  const rights = await permit(tx, access, 'r')
  const may = changeableFlags(rights)
  const flags = changeableNames(rights, change.flags)
  // RFC 4314 §4: only when not one of the flags may be changed is it a failure.
  if ((flags.length === 0 && change.flags.length > 0) || (may.lo | may.hi) === 0)
    throw new Fault('denied', 'you may not change these flags')
  const mailbox = await OpenMailbox.open(tx, epoch, account, id)
  const bits = await resolveFlags(tx, id, flags, change.mode !== 'remove')
  const changed = createRangeList()
  const modified = createRangeList()
  const limit = change.unchangedSince ?? Number.POSITIVE_INFINITY
  // UNCHANGEDSINCE 0 asks whether a keyword was ever there; a system flag always is (RFC 7162 §3.1.3).
  const absent = limit === 0 && change.mode === 'add' && (bits.lo & 31) === 0
  const { keep, set } = masks[change.mode](bits, may)
  const visit: Visit = (block, slot, uid) => {
    if (
      block.modseqs[slot]! > limit &&
      !(absent && ((block.lo[slot]! & bits.lo) | (block.hi[slot]! & bits.hi)) === 0)
    ) {
      modified.add(uid)
      return false
    }
    const { lo, hi } = block
    const newLo = ((lo[slot]! & keep.lo) | set.lo) >>> 0
    const newHi = ((hi[slot]! & keep.hi) | set.hi) >>> 0
    // A flag that was so already changes nothing, not even the modseq (RFC 7162 §3.1.3).
    if (newLo === lo[slot] && newHi === hi[slot]) return false
    lo[slot] = newLo
    hi[slot] = newHi
    changed.add(uid)
    return true
  }
  await mailbox.visit(normaliseRanges(uids), visit)
  if (changed.ranges.length > 0) {
    tx.changed(account, { kind: 'email', container: id, what: 'updated', ids: changed.ranges })
    await mailbox.save()
    if (flagged && change.mode !== 'remove' && flags.length > 0)
      await flagged(tx, toHooked(mailbox), flags, changed.ranges)
  }
  return { modseq: mailbox.row.modseq, modified: modified.ranges }
}

const none: FlagBits = { lo: 0, hi: 0 }
const all: FlagBits = { lo: -1, hi: -1 }

/** Which bits stay (those that may not be changed always), and which are set then: the same two steps for every mode, for each message. */
const masks = {
  add: (bits) => ({ keep: all, set: bits }),
  remove: (bits) => ({ keep: { lo: ~bits.lo, hi: ~bits.hi }, set: none }),
  replace: (bits, may) => ({ keep: { lo: ~may.lo, hi: ~may.hi }, set: bits }),
} satisfies Record<
  FlagChange['mode'],
  (bits: FlagBits, may: FlagBits) => { readonly keep: FlagBits; readonly set: FlagBits }
>
