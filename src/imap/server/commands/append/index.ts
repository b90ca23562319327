// APPEND: one or several messages (RFC 3502) into a mailbox, all or none.

import { type CommandText, Cursor, type LiteralSink } from '../../../wire/index.ts'
import { type AuthenticatedContext, command } from '../../command.ts'
import { MessageLimit } from '../../replies.ts'
import { finishMessages, type Message, parseMessage, placeMessage, placeNext } from './message.ts'
import { AppendLiteral } from './spool.ts'

function parse(p: Cursor): readonly Message[] {
  p.sp().mailbox()
  const messages: Message[] = []
  do messages.push(parseMessage(p.sp()))
  while (!p.atEnd() && p.peek() === ' ')
  return messages
}

// RFC 6855 §4 would have 8-bit headers refused from a client that has not enabled UTF-8: old mail could not move in. They are taken, and
// shown to such a client as encoded words.
async function place(context: AuthenticatedContext, text: CommandText, size: number): Promise<LiteralSink | 'inline'> {
  const { limits, connection, services } = context
  const p = new Cursor(text, connection.utf8)
  p.tag()
  p.sp().word()
  p.sp()
  // The first literal may be the mailbox's name.
  if (p.peek() === '{' && text.literals.length === 0) return 'inline'
  const placed = text.literals.filter((literal) => literal instanceof AppendLiteral)
  if (placed.length >= limits.appendMessages) throw new MessageLimit(limits.appendMessages)
  if (placed.length > 0) return placeNext(context, placed[0]!, size)
  return placeMessage(context, p.mailbox(), size, (owner) => services.accounts.hasRoom(owner, size))
}

export const append = command({
  name: 'APPEND',
  rfc: 'RFC 9051 §6.3.12',
  states: ['authenticated', 'selected'],
  capabilities: ['UIDPLUS', 'MULTIAPPEND'], // RFC 4315 §3, RFC 3502
  codes: { 'not-found': 'TRYCREATE' },
  overlaps: true,
  place,
  parse,
  async run({ services }, messages) {
    const items = await finishMessages(messages)
    const { uidValidity, uids } = await services.writes.append(messages[0]!.literal.to, items)
    return { code: `APPENDUID ${uidValidity} ${joined(uids)}`, text: 'appended' }
  },
})

/** UIDs of one transaction follow one another. */
const joined = (uids: readonly number[]) => (uids.length > 1 ? `${uids[0]}:${uids[uids.length - 1]}` : `${uids[0]}`)
