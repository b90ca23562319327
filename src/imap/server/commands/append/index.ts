// APPEND: one or several messages (RFC 3502) into a mailbox, all or none. The bytes go to the spool while they arrive.

import { Fault, formatRanges, SyntaxFault } from '../../../../base/index.ts'
import type { AppendItem } from '../../../../mail/index.ts'
import { type CommandText, Cursor, type LiteralSink } from '../../../wire/index.ts'
import { type AuthenticatedContext, command } from '../../command.ts'
import { assertStorable } from '../store.ts'
import { AppendLiteral } from './spool.ts'

interface Message {
  readonly flags: readonly string[]
  readonly receivedAt?: number
  readonly literal: AppendLiteral
}

function parse(p: Cursor): readonly Message[] {
  p.sp().mailbox()
  const messages: Message[] = []
  do messages.push(parseMessage(p.sp()))
  while (!p.atEnd() && p.peek() === ' ')
  return messages
}

function parseMessage(p: Cursor): Message {
  let flags: string[] = []
  if (p.peek() === '(') {
    flags = p.flagList()
    p.sp()
  }
  let receivedAt: number | undefined
  if (p.peek() === '"') {
    receivedAt = p.dateTime()
    p.sp()
  }
  const literal = p.messageLiteral()
  if (!(literal instanceof AppendLiteral)) throw new SyntaxFault('expected the message as a literal')
  return { flags: flags.filter((flag) => flag !== '\\Recent'), receivedAt, literal }
}

/** Refuses what cannot succeed before the client sends it; the law on quota is in the transaction. */
async function place(context: AuthenticatedContext, text: CommandText, size: number): Promise<LiteralSink | 'inline'> {
  const { options, services, account, limits, connection } = context
  const p = new Cursor(text, connection.utf8)
  p.tag()
  p.sp().word()
  p.sp()
  // The first literal may be the mailbox's name.
  if (p.peek() === '{' && text.literals.length === 0) return 'inline'
  if (size > options.maxMessageSize)
    throw new Fault('too-large', `a message is at most ${options.maxMessageSize} bytes`)
  if (text.literals.length > limits.appendMessages)
    throw new Fault('limit', `at most ${limits.appendMessages} messages at once`)
  const { access } = await services.reads.resolve(account, p.mailbox(), 'i')
  if (!(await services.accounts.hasRoom(access.owner, size))) throw new Fault('over-quota', 'the account is full')
  return new AppendLiteral(access, services.spool())
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
    let items: AppendItem[]
    try {
      for (const { flags } of messages) assertStorable(flags)
      items = await finishAll(messages)
    } catch (error) {
      for (const { literal } of messages) await literal.abort()
      throw error
    }
    const { uidValidity, uids } = await services.writes.append(messages[0]!.literal.to, items)
    const set = formatRanges(uids.map((uid) => [uid, uid]))
    return { code: `APPENDUID ${uidValidity} ${uids.length > 1 ? joined(uids) : set}`, text: 'appended' }
  },
})

/** UIDs of one transaction follow one another. */
const joined = (uids: readonly number[]) => `${uids[0]}:${uids[uids.length - 1]}`

async function finishAll(messages: readonly Message[]): Promise<AppendItem[]> {
  const items: AppendItem[] = []
  for (const { literal, flags, receivedAt } of messages)
    items.push({ content: await literal.finish(), flags, receivedAt })
  return items
}
