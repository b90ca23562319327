// STORE and UID STORE: flags of messages.

import { Fault, formatRanges, inRanges, type Ranges, SyntaxFault, toRanges } from '../../../base/index.ts'
import { type Cursor, parseUnchangedSince, type SequenceSet } from '../../wire/index.ts'
import { Bulk } from '../bulk.ts'
import { type Command, command, type SelectedContext } from '../command.ts'
import { inOrderOf, newest, withLowest } from '../message-limit.ts'
import { Progress, whileWaiting } from '../progress.ts'
import type { Outcome } from '../replies.ts'
import type { Picked } from '../selected.ts'
import { planPacked, writePacked } from './fetch/packed.ts'

interface StoreArguments {
  readonly set: SequenceSet
  readonly unchangedSince?: number
  readonly mode: 'add' | 'remove' | 'replace'
  readonly silent: boolean
  readonly flags: readonly string[]
}

function parse(p: Cursor): StoreArguments {
  const set = p.sp().sequenceSet()
  p.sp()
  const unchangedSince = parseUnchangedSince(p)
  const mode = p.has('+') ? 'add' : p.has('-') ? 'remove' : 'replace'
  const item = p.word()
  if (item !== 'FLAGS' && item !== 'FLAGS.SILENT') p.fail('expected FLAGS')
  p.sp()
  const flags = p.peek() === '(' ? p.flagList() : [p.flag()]
  while (p.has(' ')) flags.push(p.flag())
  return { set, unchangedSince, mode, silent: item === 'FLAGS.SILENT', flags }
}

/** Flags that a client may set; \Recent is the server's and other system flags do not exist. */
export function assertStorable(flags: readonly string[]): void {
  for (const flag of flags)
    if (flag.startsWith('\\') && !storable.has(flag)) throw new SyntaxFault(`${flag} cannot be stored`)
}
const storable = new Set(['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'])

const storeCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    capabilities: ['CONDSTORE'],
    enables: ['CONDSTORE'],
    keepsNumbers: !byUid,
    parse,
    async run(context, { set, unchangedSince, mode, silent, flags }): Promise<Outcome> {
      if (context.selected.readOnly) throw new Fault('denied', 'the mailbox is open read-only')
      assertStorable(flags)
      const { services, selected, connection } = context
      if (unchangedSince !== undefined) connection.enable(['CONDSTORE'])
      const some = newest(selected.pick(set, byUid), context.limits)
      const { picked, lowest } = some
      if (picked.count === 0) return { text: 'nothing to store' }
      const change = { mode, flags, unchangedSince }
      // What others changed before is told, with .SILENT too.
      await selected.view.catchUp()
      selected.absorb()
      const done = await whileWaiting(context, services.writes.setFlags(selected.access, toRanges(picked.uids), change))
      await selected.view.catchUp()
      selected.absorb({ uids: picked.uids, modseq: done.modseq })
      // Who wants modseqs is told the new ones even when he asked for silence (RFC 7162 §3.1.3).
      if (!silent) await answer(context, inOrderOf(some), byUid)
      else if (selected.condstore) await answerInSilence(context, inOrderOf(some), byUid, done.modified)
      const outcome = done.modified.length > 0 ? modified(picked, done.modified, byUid) : { text: 'stored' }
      return withLowest(context, lowest, outcome)
    },
  })

/** What failed UNCHANGEDSINCE, named as it was asked for. */
function modified({ numbers, uids }: Picked, failed: Ranges, byUid: boolean): Outcome {
  const named = [...(byUid ? uids : numbers)].filter((_, i) => inRanges(failed, uids[i]!))
  return { code: `MODIFIED ${formatRanges(toRanges(named))}`, text: 'some had changed' }
}

/** Messages between two looks at the clock. */
const TURN = 256

/** The flags of all, as each message has them now. */
async function answer(context: SelectedContext, picked: Picked, byUid: boolean): Promise<void> {
  const { selected, out } = context
  const progress = new Progress(context, picked.count)
  selected.tellKeywords(out)
  const bulk = new Bulk(out)
  const kinds = selected.changeKinds(byUid).map((kind) => ({ kind }))
  const plan = planPacked(context, kinds)!
  for (let at = 0; at < picked.count; at += TURN) {
    const end = Math.min(at + TURN, picked.count)
    writePacked(context, bulk, plan, undefined, picked, at, end)
    await progress.step(end)
  }
  bulk.flush()
}

/** What failed UNCHANGEDSINCE is told with its flags: its client has to look at them. Of the others the modseq. */
async function answerInSilence(
  context: SelectedContext,
  { count, uids }: Picked,
  byUid: boolean,
  failed: Ranges,
): Promise<void> {
  const { selected, out } = context
  const progress = new Progress(context, count)
  selected.tellKeywords(out)
  for (let i = 0; i < count; i++) {
    const uid = uids[i]!
    const index = selected.view.indexOf(uid)
    if (index >= 0) {
      out.text(selected.formatChange(index, byUid, inRanges(failed, uid)))
      selected.told(uid)
    }
    if (i % TURN === TURN - 1) await progress.step(i + 1)
  }
}

export const storeCommands: readonly Command[] = [
  storeCommand('STORE', 'RFC 9051 §6.4.6', false),
  storeCommand('UID STORE', 'RFC 9051 §6.4.9', true),
]
