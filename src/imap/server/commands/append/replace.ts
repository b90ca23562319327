// REPLACE and UID REPLACE: a new version of a message, the old one gone with it.

import { type AccountId, Fault, isFault } from '../../../../base/index.ts'
import { type CommandText, Cursor, type LiteralSink, type SequenceSet } from '../../../wire/index.ts'
import { type Command, command, type SelectedContext } from '../../command.ts'
import type { Outcome } from '../../replies.ts'
import { assertWritable } from '../expunge.ts'
import { finishMessages, parseMessage, placeMessage } from './message.ts'

/** One message, which may be `*`. */
function parseNumber(p: Cursor): SequenceSet {
  const set = p.sequenceSet()
  if (set.length !== 1 || set[0]![0] !== set[0]![1]) p.fail('expected one message')
  return set
}

/** Fault `conflict` for what is not there, so that no code tells the client to create a mailbox. */
function oldUid({ selected }: SelectedContext, set: SequenceSet, byUid: boolean): number {
  const { uids } = selected.pick(set, byUid)
  if (uids.length === 0) throw new Fault('conflict', 'the message to be replaced does not exist')
  return uids[0]!
}

async function place(
  context: SelectedContext,
  text: CommandText,
  size: number,
  byUid: boolean,
): Promise<LiteralSink | 'inline'> {
  const { connection } = context
  const p = new Cursor(text, connection.utf8)
  p.tag()
  p.sp().word()
  if (byUid) p.sp().word()
  const set = parseNumber(p.sp())
  p.sp()
  if (p.peek() === '{' && text.literals.length === 0) return 'inline'
  const name = p.mailbox()
  assertReplaceable(context)
  const uid = oldUidOrFault(context, set, byUid)
  return placeMessage(context, name, size, (owner) => hasRoom(context, owner, uid, size))
}

/** In the account of the old message only what the new one is larger counts. */
async function hasRoom({ services, selected }: SelectedContext, owner: AccountId, uid: number, size: number) {
  if (owner !== selected.access.owner) return services.accounts.hasRoom(owner, size)
  const [old] = await services.reads.rows(selected.view.id, [[uid, uid]], {})
  const { usedBytes, quotaBytes = Number.POSITIVE_INFINITY } = await services.reads.quota(owner)
  const growth = size - (old?.size ?? 0)
  return growth <= 0 || usedBytes + growth <= quotaBytes
}

/** A number that no message has is refused like a UID: with the bytes still to come there is no BAD. */
function oldUidOrFault(context: SelectedContext, set: SequenceSet, byUid: boolean): number {
  try {
    return oldUid(context, set, byUid)
  } catch (error) {
    if (isFault(error)) throw error
    throw new Fault('conflict', 'there is no message with this number')
  }
}

function assertReplaceable(context: SelectedContext): void {
  assertWritable(context, 't')
  assertWritable(context, 'e')
}

const replaceCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    capabilities: ['REPLACE'],
    codes: { 'not-found': 'TRYCREATE' },
    place: (context, text, size) => place(context, text, size, byUid),
    parse(p) {
      const set = parseNumber(p.sp())
      p.sp().mailbox()
      return { set, message: parseMessage(p.sp()) }
    },
    async run(context, { set, message }): Promise<Outcome> {
      const { services, selected, out } = context
      const uid = await check(context, set, message, byUid)
      const [item] = await finishMessages([message])
      const done = await services.writes.replace(selected.access, uid, message.literal.to, item!)
      // Before EXISTS and EXPUNGE (RFC 8508 §4.3), so that a client knows which is the new one.
      out.line(`* OK [APPENDUID ${done.uidValidity} ${done.uid}] the new message`)
      return { text: 'replaced' }
    },
  })

async function check(
  context: SelectedContext,
  set: SequenceSet,
  { literal }: ReturnType<typeof parseMessage>,
  byUid: boolean,
): Promise<number> {
  try {
    assertReplaceable(context)
    return oldUid(context, set, byUid)
  } catch (error) {
    await literal.abort()
    throw error
  }
}

export const replaceCommands: readonly Command[] = [
  replaceCommand('REPLACE', 'RFC 8508 §3.1', false),
  replaceCommand('UID REPLACE', 'RFC 8508 §3.2', true),
]
