// One message over an open connection, with the exact answer for each recipient. Knows nothing of retries.

import type { Reply } from '../wire/index.ts'
import type { Channel } from './channel.ts'
import { formatMail, formatRecipient, type Offer, refuseUnsent } from './commands.ts'
import type { Timeouts } from './connect.ts'
import { sendChunks, sendText, toChunk } from './content.ts'
import { ConnectionFault, type Stage } from './fault.ts'
import type { OutgoingMail, SendResult } from './types.ts'

/** A connection that has said its hello. */
export interface Session {
  readonly offer: Offer
  readonly lmtp: boolean
  readonly timeouts: Timeouts
  /** The last transaction was not carried to its end: RSET comes first. After one that was, all buffers are clear (RFC 5321 §4.1.1.4). */
  unfinished: boolean
}

/** Commands sent ahead of their answers: 100 recipients (RFC 5321 §4.5.3.1.8) with what stands around them. */
const maxAhead = 104
/** A message of so many octets goes out before anybody has accepted it, when that saves a round trip. */
const maxUnasked = 65_536
/** A whole transaction ends within an hour and what the message takes at 10 KiB a second, however patient each step is. */
const maxSession = 3_600_000
const slowest = 10

/** The transaction as it goes. */
interface Progress {
  readonly results: (SendResult | undefined)[]
  stage: Stage
  /** The end of the message is on its way, and the server has answered something since. */
  complete: boolean
  /** Commands were sent ahead, and not all are answered. */
  ahead: boolean
}
/** What went out in the first flight behind the recipients. */
type Tail = 'nothing' | 'data' | 'chunk'

const isOk = ({ code }: Reply) => code >= 200 && code < 300

/** One result per recipient, in order. ConnectionFault when the connection breaks; `results` in it holds what was known. */
export async function sendMail(channel: Channel, session: Session, mail: OutgoingMail): Promise<readonly SendResult[]> {
  const refused = refuseUnsent(session.offer, mail)
  if (refused) return mail.recipients.map(() => ({ reply: refused, accepted: false, stage: 'mail' }))
  const progress: Progress = {
    results: mail.recipients.map(() => undefined),
    stage: 'mail',
    complete: false,
    ahead: false,
  }
  try {
    // A goodbye for idleness, or answers to nothing: whatever is read now would be taken for the answer to MAIL.
    if (channel.closed || channel.unread)
      throw new ConnectionFault('mail', 'the server spoke or closed between messages')
    channel.limit(maxSession + mail.size / slowest)
    await transact(channel, session, mail, progress)
    return progress.results as SendResult[]
  } catch (error) {
    channel.close()
    if (!(error instanceof ConnectionFault)) throw error
    // Of everybody it is known: what broke afterwards changes nothing.
    if (unanswered(progress).length === 0) return progress.results as SendResult[]
    const stage = progress.complete ? 'end' : progress.stage
    const { results, ahead } = progress
    throw new ConnectionFault(stage, error.message, error.reply, { results, ahead })
  }
}

async function transact(channel: Channel, session: Session, mail: OutgoingMail, progress: Progress): Promise<void> {
  const { offer, lmtp, timeouts } = session
  const pipelining = offer.extensions.has('PIPELINING')
  // RFC 3030 §2: chunks are counted, so nothing is escaped, nothing ends too early, and behind RCPT they may go unasked.
  const chunked = offer.extensions.has('CHUNKING') && (mail.binary === true || pipelining)
  const { tail, opened } = await openTransaction(channel, session, mail, progress, { pipelining, chunked })
  const waiting = unanswered(progress)
  if (channel.closed) return
  if (tail === 'chunk') {
    // In LMTP the answers count recipients: with none accepted nobody says how many there are.
    if (waiting.length === 0 && lmtp) return channel.close()
    return readVerdicts(channel, session, waiting, progress)
  }
  if (tail === 'nothing' && (!isOk(opened) || waiting.length === 0)) return
  progress.stage = 'data'
  if (chunked) {
    const refused = await sendChunks(channel, { timeouts, ahead: pipelining }, mail)
    if (refused) return settle(channel, progress, waiting, refused)
  } else {
    const start = await (tail === 'data'
      ? channel.read(timeouts.command, 'data')
      : channel.command('DATA', timeouts.command, 'data'))
    progress.ahead = false
    if (start.code !== 354) return settle(channel, progress, waiting, start)
    // RFC 2920 §3.1: a server may ask for a message that it has no recipient for; it gets an empty one.
    if (waiting.length === 0) return lmtp ? channel.close() : void (await channel.command('.', timeouts.end, 'data'))
    if ((await sendText(channel, timeouts, mail)) === 'early') return readEarly(channel, session, waiting, progress)
  }
  progress.complete = true
  await readVerdicts(channel, session, waiting, progress)
}

/** MAIL and every RCPT, and what may follow them unasked, ahead of their answers when the server allows it. Refused recipients have their results. */
async function openTransaction(
  channel: Channel,
  session: Session,
  mail: OutgoingMail,
  progress: Progress,
  { pipelining, chunked }: { readonly pipelining: boolean; readonly chunked: boolean },
): Promise<{ readonly tail: Tail; readonly opened: Reply }> {
  const { offer, timeouts, unfinished } = session
  const lines = mail.recipients.map((recipient) => formatRecipient(offer, recipient))
  const first = [...(unfinished ? ['RSET'] : []), formatMail(offer, mail)]
  session.unfinished = true
  let sent = pipelining ? Math.min(lines.length, maxAhead - first.length) : 0
  let tail: Tail = 'nothing'
  if (pipelining && sent === lines.length) tail = writeFlight(channel, mail, [...first, ...lines], chunked)
  else if (pipelining) channel.writeLines(...first, ...lines.slice(0, sent))
  else {
    if (unfinished) await channel.command('RSET', timeouts.command, 'mail')
    channel.writeLines(first.at(-1)!)
  }
  progress.ahead = pipelining
  if (unfinished && pipelining) await channel.read(timeouts.command, 'mail')
  const opened = await channel.read(timeouts.command, 'mail')
  progress.complete = tail === 'chunk'
  if (!isOk(opened)) settleAll(progress, opened, 'mail')
  if (opened.code === 421) channel.close()
  if (channel.closed) return { tail, opened }
  progress.stage = 'rcpt'
  for (let i = 0; i < lines.length; i++) {
    if (i === sent) {
      // The answer to MAIL decides for all: no more is sent into a transaction that was not opened.
      if (!isOk(opened)) break
      const batch = lines.slice(sent, sent + (pipelining ? maxAhead : 1))
      channel.writeLines(...batch)
      sent += batch.length
    }
    const answer = await channel.read(timeouts.command, 'rcpt')
    if (answer.code === 421) {
      // The server closes: nobody gets this message now, whatever was said before.
      settleAll(progress, answer, 'rcpt')
      channel.close()
      break
    }
    if (!isOk(answer)) progress.results[i] ??= { reply: answer, accepted: false, stage: 'rcpt' }
  }
  // What is behind the recipients has an answer that may take its time.
  progress.ahead = tail === 'data'
  return { tail, opened }
}

/** Sends the envelope at once, with DATA or the message itself behind it. */
function writeFlight(channel: Channel, mail: OutgoingMail, lines: string[], chunked: boolean): Tail {
  if (!chunked) {
    channel.writeLines(...lines, 'DATA')
    return 'data'
  }
  if (!mail.whole || mail.whole.length > maxUnasked) {
    channel.writeLines(...lines)
    return 'nothing'
  }
  const { command, pieces } = toChunk(mail.whole, mail.binary === true)
  channel.writeWith([...lines, command], pieces)
  return 'chunk'
}

/** Recipients of whom nothing is known yet. */
const unanswered = ({ results }: Progress): readonly number[] => [...results.keys()].filter((i) => !results[i])

function settleAll(progress: Progress, answer: Reply, stage: SendResult['stage']): void {
  for (const i of unanswered(progress)) progress.results[i] = { reply: answer, accepted: false, stage }
}

/** The message was refused before its end. */
function settle(channel: Channel, progress: Progress, waiting: readonly number[], answer: Reply): void {
  for (const i of waiting) progress.results[i] = { reply: answer, accepted: false, stage: 'data' }
  // RFC 5321 §3.8: after a 421 the server closes.
  if (answer.code === 421) channel.close()
}

/** An answer that came before the end of the message was sent: a refusal counts; a yes was for something else, and nothing counts. */
async function readEarly(
  channel: Channel,
  { timeouts }: Session,
  waiting: readonly number[],
  progress: Progress,
): Promise<void> {
  const answer = await channel.read(timeouts.end, 'data')
  if (answer.code < 400) throw new ConnectionFault('data', 'the server answered before it had the message')
  settle(channel, progress, waiting, answer)
  channel.close()
}

/** The answer to the message; RFC 2033 §4.2: in LMTP one for each recipient that was accepted. */
async function readVerdicts(
  channel: Channel,
  session: Session,
  waiting: readonly number[],
  progress: Progress,
): Promise<void> {
  const { lmtp, timeouts } = session
  let answer: Reply | undefined
  // With nobody accepted the one answer is read, so that the next message does not meet it.
  if (waiting.length === 0) answer = await channel.read(timeouts.end, 'end')
  for (const i of waiting) {
    if (!answer || lmtp) answer = await channel.read(timeouts.end, 'end')
    progress.results[i] = { reply: answer, accepted: isOk(answer), stage: 'data' }
    // The server closes: the answers that are missing will not come.
    if (answer.code === 421) return settle(channel, progress, unanswered(progress), answer)
  }
  session.unfinished = !(answer && isOk(answer))
}
