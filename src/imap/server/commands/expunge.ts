// EXPUNGE and UID EXPUNGE: messages with \Deleted go.

import { Fault, type Ranges, toRanges } from '../../../base/index.ts'
import { assertRight, type Right } from '../../../mail/index.ts'
import { type Command, command, noArguments, type SelectedContext } from '../command.ts'
import { newest, only, withLowest } from '../message-limit.ts'
import { whileWaiting } from '../progress.ts'
import type { Outcome } from '../replies.ts'
import { DELETED } from '../view.ts'

/** Fault `denied` in a mailbox opened by EXAMINE, and without the right. */
export function assertWritable({ selected }: SelectedContext, right: Right): void {
  if (selected.examined) throw new Fault('denied', 'the mailbox is open read-only')
  assertRight(selected.access.rights, right)
}

async function run(context: SelectedContext, uids?: Ranges): Promise<Outcome> {
  assertWritable(context, 'e')
  const { services, selected } = context
  await whileWaiting(context, services.writes.expunge(selected.access, uids))
  return { text: 'expunged' }
}

export const expunge = command({
  name: 'EXPUNGE',
  rfc: 'RFC 9051 §6.4.3',
  states: ['selected'],
  parse: noArguments,
  run: (context) => run(context),
})

export const uidExpunge = command({
  name: 'UID EXPUNGE',
  rfc: 'RFC 9051 §6.4.9',
  states: ['selected'],
  capabilities: ['UIDPLUS'], // RFC 4315 §2.1
  parse: (p) => p.sp().sequenceSet(),
  async run(context, set) {
    const { selected, limits, out } = context
    const asked = selected.pick(set, true)
    if (asked.count === 0) return { text: 'nothing to do' }
    if (asked.count <= limits.commandMessages) return run(context, toRanges(asked.uids))
    // Only what is deleted counts, and EXPUNGE and CLOSE take all, as ever (RFC 9738 §3.1).
    const { view } = selected
    const deleted = await only(out, asked, (uid) => ((view.lo[view.indexOf(uid)] ?? 0) & DELETED) !== 0)
    const { picked, lowest } = newest(deleted, limits)
    if (picked.count === 0) return { text: 'nothing to do' }
    return withLowest(context, lowest, await run(context, toRanges(picked.uids)))
  },
})

export const expungeCommands: readonly Command[] = [expunge, uidExpunge]
