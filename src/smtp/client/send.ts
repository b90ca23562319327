// One message over an open connection, with the exact answer for each recipient. Knows nothing of retries.

import { formatPath } from '../../address/index.ts'
import { DotEncoder, formatXtext, type MailParams, type RecipientParams, type Reply, reply } from '../wire/index.ts'
import type { Channel } from './channel.ts'
import type { Timeouts } from './connect.ts'
import { ConnectionFault, type Stage } from './fault.ts'
import type { OutgoingMail, SendResult } from './types.ts'

export interface SendContext {
  readonly extensions: ReadonlyMap<string, string>
  readonly lmtp: boolean
  readonly timeouts: Timeouts
  /** A transaction went before on this connection. */
  readonly reset: boolean
}

/** Commands sent ahead of their answers: few enough that neither side's buffers can fill while nobody reads. */
const maxAhead = 100

const isOk = ({ code }: Reply) => code >= 200 && code < 300

/** One result per recipient, in order. ConnectionFault when the connection breaks; `results` in it holds what was known. */
export async function sendMail(
  channel: Channel,
  context: SendContext,
  mail: OutgoingMail,
): Promise<readonly SendResult[]> {
  const all = (answer: Reply, stage: SendResult['stage']): SendResult[] =>
    mail.recipients.map(() => ({ reply: answer, accepted: false, stage }))
  const refused = refuseUnsent(context, mail)
  if (refused) return all(refused, 'mail')

  const results: (SendResult | undefined)[] = mail.recipients.map(() => undefined)
  let stage: Stage = 'mail'
  try {
    const opened = await openTransaction(channel, context, mail, results, (next) => {
      stage = next
    })
    if (!isOk(opened)) return all(opened, 'mail')
    const waiting = [...results.keys()].filter((i) => !results[i])
    if (waiting.length === 0) return results as SendResult[]
    stage = 'data'
    const start = await channel.command('DATA', context.timeouts.command, 'data')
    if (start.code !== 354) {
      for (const i of waiting) results[i] = { reply: start, accepted: false, stage: 'data' }
      return results as SendResult[]
    }
    await sendData(channel, context.timeouts, mail.data())
    stage = 'end'
    await readVerdicts(channel, context, waiting, results)
    return results as SendResult[]
  } catch (error) {
    channel.close()
    if (!(error instanceof ConnectionFault)) throw error
    throw new ConnectionFault(stage, error.message, error.reply, results)
  }
}

/** What the server could not take, answered as it would have answered itself. */
function refuseUnsent({ extensions }: SendContext, mail: OutgoingMail): Reply | undefined {
  // RFC 6531 §3.2: such a message may only go where SMTPUTF8 is offered.
  if (mail.utf8 && !extensions.has('SMTPUTF8')) return reply(550, '5.6.7', 'The next server does not offer SMTPUTF8')
  const limit = Number(extensions.get('SIZE') ?? 0)
  // RFC 1870 §6.1; 0 means no fixed limit.
  if (limit > 0 && mail.size > limit) return reply(552, '5.3.4', `The next server takes at most ${limit} octets`)
  return undefined
}

/** MAIL and every RCPT, ahead of their answers when the server allows it. Refused recipients get their result; returns MAIL's answer. */
async function openTransaction(
  channel: Channel,
  { extensions, timeouts, reset }: SendContext,
  mail: OutgoingMail,
  results: (SendResult | undefined)[],
  enter: (stage: Stage) => void,
): Promise<Reply> {
  const ahead = extensions.has('PIPELINING') ? maxAhead : 1
  const dsn = extensions.has('DSN')
  const lines = mail.recipients.map(
    ({ address, params }) => `RCPT TO:${formatPath(address)}${dsn ? formatRecipientParams(params) : ''}`,
  )
  if (reset) await channel.command('RSET', timeouts.command, 'mail')
  const first = formatMail(extensions, mail)
  let sent = ahead > 1 ? Math.min(lines.length, ahead - 1) : 0
  channel.writeLines(first, ...lines.slice(0, sent))
  const opened = await channel.read(timeouts.command, 'mail')
  if (!isOk(opened) && (opened.code === 421 || sent === 0)) return opened
  enter('rcpt')
  for (let i = 0; i < lines.length; i++) {
    if (i === sent) {
      // The answer to MAIL decides for all: no more is sent into a transaction that was not opened.
      if (!isOk(opened)) return opened
      const batch = lines.slice(sent, sent + ahead)
      channel.writeLines(...batch)
      sent += batch.length
    }
    const answer = await channel.read(timeouts.command, 'rcpt')
    if (answer.code === 421 && isOk(opened)) {
      // The server closes: nobody gets this message now, whatever was said before.
      for (let k = 0; k < lines.length; k++) results[k] ??= { reply: answer, accepted: false, stage: 'rcpt' }
      channel.close()
      return opened
    }
    if (!isOk(answer)) results[i] = { reply: answer, accepted: false, stage: 'rcpt' }
  }
  return opened
}

function formatMail(extensions: ReadonlyMap<string, string>, mail: OutgoingMail): string {
  let line = `MAIL FROM:${formatPath(mail.from)}`
  if (extensions.has('SIZE')) line += ` SIZE=${mail.size}`
  // RFC 6152 §3 wants such a message converted or bounced where 8BITMIME is missing. Every server of today passes eight bits,
  // and converting breaks signatures: it is sent as it is, as Postfix and Exim do.
  if (mail.body8 && extensions.has('8BITMIME')) line += ' BODY=8BITMIME'
  if (mail.utf8) line += ' SMTPUTF8'
  return extensions.has('DSN') ? line + formatMailParams(mail.params) : line
}

/** RET and ENVID (RFC 3461 §4.3, §4.4). */
function formatMailParams({ ret, envid }: MailParams = {}): string {
  return `${ret ? ` RET=${ret.toUpperCase()}` : ''}${envid === undefined ? '' : ` ENVID=${formatXtext(envid)}`}`
}

/** NOTIFY and ORCPT (RFC 3461 §4.1, §4.2). */
function formatRecipientParams({ notify, orcpt }: RecipientParams = {}): string {
  const when = notify?.length === 0 ? 'NEVER' : notify?.join(',').toUpperCase()
  return `${when ? ` NOTIFY=${when}` : ''}${orcpt ? ` ORCPT=${orcpt.type};${formatXtext(orcpt.address)}` : ''}`
}

/** Lines longer than 998 octets go out as they are: folding them would break signatures, and every server takes them. */
async function sendData(channel: Channel, timeouts: Timeouts, content: AsyncIterable<Buffer>): Promise<void> {
  const encoder = new DotEncoder()
  const pieces: Buffer[] = []
  for await (const chunk of content) {
    encoder.encode(chunk, pieces)
    await channel.writeData(pieces.length > 64 ? [Buffer.concat(pieces)] : pieces, timeouts.data)
    pieces.length = 0
  }
  await channel.writeData([encoder.end()], timeouts.data)
}

/** The answer to the message; RFC 2033 §4.2: in LMTP one for each recipient that was accepted. */
async function readVerdicts(
  channel: Channel,
  { lmtp, timeouts }: SendContext,
  waiting: readonly number[],
  results: (SendResult | undefined)[],
): Promise<void> {
  let answer: Reply | undefined
  for (const i of waiting) {
    if (!answer || lmtp) answer = await channel.read(timeouts.end, 'end')
    results[i] = { reply: answer, accepted: isOk(answer), stage: 'data' }
    // The server closes: the answers that are missing will not come.
    if (answer.code === 421) {
      for (const k of waiting) results[k] ??= { reply: answer, accepted: false, stage: 'data' }
      channel.close()
      return
    }
  }
}
