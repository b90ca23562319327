// MAIL: opens a transaction with the sender and what the client says of the message.

import type { Path } from '../../../address/index.ts'
import { SyntaxFault } from '../../../base/index.ts'
import type { Arrival } from '../../../delivery/index.ts'
import { type Params, parseNumber, parseXtext, type Reply, reply } from '../../wire/index.ts'
import { refusalReply, replies } from '../replies.ts'
import { count } from '../stats.ts'
import { createTraceId } from '../trace-id.ts'
import type { Session, Transaction } from '../types.ts'
import { command } from './command.ts'

interface MailArgs {
  readonly from: Path
  /** The path holds non-ASCII text. */
  readonly needsUtf8: boolean
  readonly utf8: boolean
  readonly body: '7bit' | '8bitmime'
  readonly size: number
  /** A parameter that is not known here. */
  readonly unknown?: string
  /** AUTH= was given (RFC 4954 §5); nobody is believed about it. */
  readonly auth: boolean
  /** Made by `check`, taken over by `proceed`. */
  transaction?: Transaction
}

export const mail = command({
  verb: 'MAIL',
  rfc: 'RFC 5321 §4.1.1.2',
  syntax: 'MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8]',
  states: ['greeted'],
  capabilities: ({ limits }) => [`SIZE ${limits.maxMessageSize}`, '8BITMIME', 'SMTPUTF8'],
  parse(line): MailArgs {
    const from = line.sp().word('FROM:').path()
    return parseParams(from, line.params(), !line.isAscii)
  },
  async check(session, args, state) {
    const refusal = checkArgs(session, args)
    if (refusal) return refusal
    const transaction = openTransaction(session, args, state)
    const verdict = await session.options.checks.sender(transaction.arrival, args.from, args.size)
    if (!verdict.ok) {
      count(session.stats.messages, verdict.refusal.code)
      return refusalReply(verdict.refusal)
    }
    args.transaction = transaction
    return undefined
  },
  proceed(session, { transaction }, { helo, extended }) {
    session.reply(replies.senderOk)
    return { name: 'mail', helo, extended, mail: transaction! }
  },
})

function parseParams(from: Path, params: Params, needsUtf8: boolean): MailArgs {
  let size = 0
  let body: MailArgs['body'] = '7bit'
  let unknown: string | undefined
  let utf8 = false
  let auth = false
  for (const [keyword, value] of params) {
    if (keyword === 'SIZE') {
      // RFC 1870 §3: up to 20 digits; what does not fit a number is too large in any case.
      size = parseNumber(value) ?? (isLongNumber(value) ? Number.MAX_SAFE_INTEGER : fail('SIZE must be a number'))
    } else if (keyword === 'BODY') {
      const name = value.toUpperCase()
      if (name !== '7BIT' && name !== '8BITMIME') fail('BODY must be 7BIT or 8BITMIME')
      body = name === '7BIT' ? '7bit' : '8bitmime'
    } else if (keyword === 'SMTPUTF8') {
      if (value !== '') fail('SMTPUTF8 takes no value')
      utf8 = true
    } else if (keyword === 'AUTH') {
      if (value === '') fail('AUTH needs a value')
      parseXtext(value)
      auth = true
    } else unknown = keyword
  }
  return { from, needsUtf8, utf8, body, size, auth, ...(unknown === undefined ? {} : { unknown }) }
}

function isLongNumber(text: string): boolean {
  if (text.length < 16 || text.length > 20) return false
  for (let i = 0; i < text.length; i++) if (text[i]! < '0' || text[i]! > '9') return false
  return true
}

function fail(message: string): never {
  throw new SyntaxFault(message)
}

function checkArgs(session: Session, args: MailArgs): Reply | undefined {
  const submission = session.kind === 'submission' || session.kind === 'submissions'
  if (submission && !session.login) return session.mayAuthenticate ? replies.signInFirst : replies.encryptFirst
  const unknown = args.unknown ?? (args.auth && !session.mayAuthenticate ? 'AUTH' : undefined)
  // RFC 5321 §4.1.1.11
  if (unknown !== undefined) return reply(555, '5.5.4', `MAIL does not know ${unknown}`)
  if (args.needsUtf8 && !args.utf8) return replies.needsUtf8
  // RFC 1870 §6.1: a message that will be too large is refused before it is sent.
  if (args.size > session.limits.maxMessageSize) return replies.tooBig
  return undefined
}

function openTransaction(session: Session, args: MailArgs, state: { helo: string; extended: boolean }): Transaction {
  const now = session.options.clock.now()
  const arrival: Arrival = {
    kind: session.kind === 'submissions' ? 'submission' : session.kind,
    clientIp: session.clientIp,
    helo: state.helo,
    with: transmissionType(session, state.extended, args.utf8),
    traceId: createTraceId(now),
    receivedAt: now,
    ...(session.trusted ? { trusted: true } : {}),
    ...(session.tls ? { tls: session.tls } : {}),
    ...(session.login ? { account: session.login.account, user: session.login.email } : {}),
  }
  return { arrival, from: args.from, utf8: args.utf8, body: args.body, size: args.size, recipients: [] }
}

/** The word after `with` in Received (RFC 3848 §1, RFC 6531 §4.3). */
function transmissionType(session: Session, extended: boolean, utf8: boolean): string {
  const flags = `${session.tls ? 'S' : ''}${session.login ? 'A' : ''}`
  if (session.kind === 'lmtp') return `${utf8 ? 'UTF8' : ''}LMTP${flags}`
  if (!extended) return 'SMTP'
  return `${utf8 ? 'UTF8SMTP' : 'ESMTP'}${flags}`
}
