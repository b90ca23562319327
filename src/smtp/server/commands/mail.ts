// MAIL: opens a transaction with the sender and what the client says of the message.

import type { Arrival } from '../../../delivery/index.ts'
import { createTraceId } from '../../../trace/index.ts'
import { type Reply, reply } from '../../wire/index.ts'
import { judgeHelo } from '../helo.ts'
import { beginHistory, History } from '../history.ts'
import { refusalReply, replies } from '../replies.ts'
import { count } from '../stats.ts'
import { isSubmission, type Session, type Transaction } from '../types.ts'
import { command } from './command.ts'
import { checkMailArgs, type MailArgs, parseMailArgs, toMailParams, toPriority } from './mail-args.ts'

export const mail = command({
  verb: 'MAIL',
  rfc: 'RFC 5321 §4.1.1.2',
  syntax: 'MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME|BINARYMIME] [SMTPUTF8] [RET=FULL|HDRS] [ENVID=id] …',
  states: ['greeted'],
  capabilities,
  parse: (line): MailArgs => parseMailArgs(line.sp().word('FROM:').path(), line.params(), !line.isAscii),
  async check(session, args, state) {
    if (session.transactions >= session.limits.transactions) return replies.tooManyTransactions
    const transaction = openTransaction(session, args, state)
    const refusal = checkHelo(session, state.helo) ?? checkMailArgs(session, args)
    if (refusal) return transaction.history.refuseSender(refusal)
    const verdict = await session.options.checks.sender(transaction.arrival, args.from, transaction.size)
    if (!verdict.ok) {
      count(session.stats.messages, verdict.refusal.code)
      return transaction.history.refuseSender(refusalReply(verdict.refusal))
    }
    args.transaction = transaction
    return undefined
  },
  proceed(session, args, { helo, extended }) {
    session.transactions++
    session.origin = undefined
    const priority = toPriority(session, args)
    // RFC 6710 §4.1: the first word is the priority that holds.
    if (priority === (args.priority ?? 0)) session.reply(replies.senderOk)
    else session.reply(reply(250, '2.3.6', `${priority} is the priority of this message`))
    return { name: 'mail', helo, extended, mail: args.transaction! }
  },
})

/** Asked of strangers only, and here: who signs in may call himself what he likes. */
function checkHelo(session: Session, helo: string): Reply | undefined {
  const { visit, kind, login, options, ownIp, clientIp } = session
  if (!visit || kind !== 'mx' || login) return undefined
  const sense = judgeHelo(helo, { hostname: options.hostname, ownIp, clientIp })
  if (sense === 'doubtful') visit.doubt()
  if (sense !== 'ours') return undefined
  session.blame()
  return replies.notOurName
}

/** What MAIL and RCPT bring; the limits are those that hold (RFC 9422 §4). */
function capabilities(session: Session): string[] {
  const { limits, options, kind, tls } = session
  const lines = [
    `SIZE ${limits.maxMessageSize}`,
    '8BITMIME',
    'BINARYMIME',
    'SMTPUTF8',
    'DSN',
    // RFC 2852 §2: the shortest time that mode R may ask for.
    'DELIVERBY 1',
    'MT-PRIORITY',
    `LIMITS RCPTMAX=${limits.maxRecipients} MAILMAX=${limits.transactions}`,
  ]
  if (tls) lines.push('REQUIRETLS')
  if (isSubmission(kind)) {
    const last = new Date(options.clock.now() + limits.holdMs).toISOString()
    lines.push(`FUTURERELEASE ${limits.holdMs / 1000} ${last.slice(0, 19)}Z`)
  }
  return lines
}

function openTransaction(session: Session, args: MailArgs, state: { helo: string; extended: boolean }): Transaction {
  const now = session.options.clock.now()
  const { from, utf8 = false, body = '7bit', size = 0 } = args
  const params = toMailParams(args, now, toPriority(session, args))
  const protocol = transmissionType(session, state.extended, utf8)
  const seen = beginHistory(session, state.helo, protocol)
  const arrival: Arrival = {
    kind: session.kind === 'submissions' ? 'submission' : session.kind,
    clientIp: session.clientIp,
    ...(session.clientName !== undefined && { clientName: session.clientName }),
    ...(session.origin && { origin: session.origin }),
    helo: state.helo,
    with: protocol,
    traceId: createTraceId(now),
    receivedAt: now,
    history: seen,
    ...(session.trusted ? { trusted: true } : {}),
    ...(session.tls ? { tls: session.tls } : {}),
    ...(session.login ? { account: session.login.account, user: session.login.email } : {}),
  }
  const mail = { arrival, from, utf8, body, size, ...(params && { params }), recipients: [] }
  return { ...mail, history: new History(session, mail, seen) }
}

/** The word after `with` in Received (RFC 3848 §1, RFC 6531 §4.3). */
function transmissionType(session: Session, extended: boolean, utf8: boolean): string {
  const flags = `${session.tls ? 'S' : ''}${session.login ? 'A' : ''}`
  if (session.kind === 'lmtp') return `${utf8 ? 'UTF8' : ''}LMTP${flags}`
  if (!extended) return 'SMTP'
  return `${utf8 ? 'UTF8SMTP' : 'ESMTP'}${flags}`
}
