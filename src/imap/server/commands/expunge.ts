// EXPUNGE and UID EXPUNGE: messages with \Deleted go.

import { Fault, type Ranges, toRanges } from '../../../base/index.ts'
import { assertRight, type Right } from '../../../mail/index.ts'
import { type Command, command, noArguments, type SelectedContext } from '../command.ts'
import { whileWaiting } from '../progress.ts'
import type { Outcome } from '../replies.ts'

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
    const uids = toRanges(context.selected.pick(set, true).uids)
    return uids.length === 0 ? { text: 'nothing to do' } : run(context, uids)
  },
})

export const expungeCommands: readonly Command[] = [expunge, uidExpunge]
