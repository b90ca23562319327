// STORE: flags of many messages at once, block by block.

import type { AccountId, MailboxId, Ranges } from '../base/index.ts'
import { normaliseRanges } from '../base/index.ts'
import type { Writer } from '../store/index.ts'
import { resolveFlags } from './flags.ts'
import { createRangeList, OpenMailbox, type Visit } from './open-mailbox.ts'
import type { FlagBits, FlagChange } from './types.ts'

/** Changes flags; see MailWrites.setFlags. */
export async function setFlags(
  tx: Writer,
  epoch: number,
  account: AccountId,
  id: MailboxId,
  uids: Ranges,
  change: FlagChange,
): Promise<{ modseq: number; modified: Ranges }> {
  const mailbox = await OpenMailbox.open(tx, epoch, account, id)
  const bits = await resolveFlags(tx, id, change.flags, change.mode !== 'remove')
  const changed = createRangeList()
  const modified = createRangeList()
  const limit = change.unchangedSince ?? Number.POSITIVE_INFINITY
  const visit: Visit = (block, slot, uid) => {
    if (block.modseqs[slot]! > limit) {
      modified.add(uid)
      return false
    }
    const before = { lo: block.lo[slot]!, hi: block.hi[slot]! }
    const after = apply[change.mode](before, bits)
    // A flag that was so already changes nothing, not even the modseq (RFC 7162 §3.1.3).
    if (after.lo === before.lo && after.hi === before.hi) return false
    block.lo[slot] = after.lo
    block.hi[slot] = after.hi
    changed.add(uid)
    return true
  }
  await mailbox.visit(normaliseRanges(uids), visit)
  if (changed.ranges.length > 0) {
    tx.changed(account, { kind: 'email', container: id, what: 'updated', ids: changed.ranges })
    await mailbox.save()
  }
  return { modseq: mailbox.row.modseq, modified: modified.ranges }
}

type Apply = (before: FlagBits, bits: FlagBits) => FlagBits

/** `>>> 0`: bit 31 is a keyword, not a sign. */
const apply = {
  add: (before, bits) => ({ lo: (before.lo | bits.lo) >>> 0, hi: (before.hi | bits.hi) >>> 0 }),
  remove: (before, bits) => ({ lo: (before.lo & ~bits.lo) >>> 0, hi: (before.hi & ~bits.hi) >>> 0 }),
  replace: (_, bits) => bits,
} satisfies Record<FlagChange['mode'], Apply>
