// COPY, MOVE and their UID forms: messages get a place in another mailbox, with their flags and dates.

import { formatRanges, toRanges } from '../../../base/index.ts'
import type { Access } from '../../../mail/index.ts'
import type { Cursor } from '../../wire/index.ts'
import { type Command, command, type SelectedContext } from '../command.ts'
import { newest, withLowest } from '../message-limit.ts'
import { whileWaiting } from '../progress.ts'
import { MessageLimit, type Outcome } from '../replies.ts'
import { assertWritable } from './expunge.ts'

const parse = (p: Cursor) => ({ set: p.sp().sequenceSet(), to: p.sp().mailbox() })

async function target({ services, account }: SelectedContext, name: string): Promise<Access> {
  return (await services.reads.resolve(account, name, 'i')).access
}

/** Numbers in their order as ranges: `source` and `target` of COPYUID are read side by side. */
function inOrder(numbers: readonly number[]): string {
  const runs: [number, number][] = []
  for (const n of numbers) {
    const last = runs[runs.length - 1]
    if (last && n === last[1] + 1) last[1] = n
    else runs.push([n, n])
  }
  return formatRanges(runs)
}

const copyUid = (done: { uidValidity: number; source: readonly number[]; target: readonly number[] }) =>
  `COPYUID ${done.uidValidity} ${inOrder(done.source)} ${inOrder(done.target)}`

const copyCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    codes: { 'not-found': 'TRYCREATE' },
    keepsNumbers: !byUid,
    parse,
    async run(context, { set, to }): Promise<Outcome> {
      const { services, selected, limits } = context
      const { uids } = selected.pick(set, byUid)
      const access = await target(context, to)
      if (uids.length === 0) return { text: 'nothing to copy' }
      if (uids.length > limits.copyMessages)
        throw new MessageLimit(limits.appendMessages, uids[uids.length - limits.appendMessages])
      const done = await whileWaiting(context, services.writes.copy(selected.access, toRanges(uids), access))
      return done.source.length > 0 ? { code: copyUid(done), text: 'copied' } : { text: 'nothing to copy' }
    },
  })

const moveCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    capabilities: ['MOVE'],
    codes: { 'not-found': 'TRYCREATE' },
    parse,
    async run(context, { set, to }): Promise<Outcome> {
      assertWritable(context, 'e')
      assertWritable(context, 't')
      const { services, selected, out, limits } = context
      const { picked, lowest } = newest(selected.pick(set, byUid), limits)
      const { uids } = picked
      const access = await target(context, to)
      if (uids.length === 0) return { text: 'nothing to move' }
      const done = await whileWaiting(context, services.writes.move(selected.access, toRanges(uids), access))
      // Before the EXPUNGEs (RFC 6851 §4.3), so that a client knows where they went.
      if (done.source.length > 0) out.line(`* OK [${copyUid(done)}] moved`)
      return withLowest(context, lowest, { text: 'done' })
    },
  })

export const copyCommands: readonly Command[] = [
  copyCommand('COPY', 'RFC 9051 §6.4.7', false),
  copyCommand('UID COPY', 'RFC 9051 §6.4.9', true),
  moveCommand('MOVE', 'RFC 9051 §6.4.8', false),
  moveCommand('UID MOVE', 'RFC 9051 §6.4.9', true),
]
