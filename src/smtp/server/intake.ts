// A message on its way from the wire to delivery: spooled while it comes, judged at its end. DATA and BDAT both feed it.

import { formatAddress, formatPath } from '../../address/index.ts'
import { moving } from '../../base/index.ts'
import type { Envelope, RecipientVerdict, Refusal, RefusalCode } from '../../delivery/index.ts'
import type { NewContent } from '../../mail/index.ts'
import { firstField, messageId } from '../../mime/index.ts'
import type { Stage } from '../../trace/index.ts'
import { type LineFaults, LineWatch, type Reply, reply } from '../wire/index.ts'
import { isExpected, refusalReply, replies, replyToError } from './replies.ts'
import { count } from './stats.ts'
import type { MessageSpool, Session, Transaction } from './types.ts'

/** Recipients named in the log line of a refused message. */
const shownRecipients = 10
/** Refusals that speak against who brought the message. */
const blamed: ReadonlySet<string> = new Set(['disowned', 'spam', 'malware'] satisfies RefusalCode[])

export class Intake {
  readonly #session: Session
  readonly #mail: Transaction
  readonly #spool: MessageSpool
  #envelope: Envelope
  readonly #started: number
  #size = 0
  #refusal: Reply | undefined
  #verdict = 'ok'
  #stage: Stage = 'data'
  #header: Buffer = Buffer.alloc(0)

  constructor(session: Session, mail: Transaction) {
    this.#session = session
    this.#mail = mail
    this.#started = session.options.clock.monotonic()
    const { from, recipients: to, utf8, body, params } = mail
    this.#envelope = { from, to, utf8, body, ...(params && { params }) }
    this.#spool = session.options.spool({
      maxSize: session.limits.maxMessageSize,
      onHeader: (header) => this.#checkHeader(header),
    })
  }

  /** The answer when the message is already lost. */
  get refusal(): Reply | undefined {
    return this.#refusal
  }

  /** Whether so much was thrown away, or so much time went by, that hanging up is kinder than reading to the end. */
  get hopeless(): boolean {
    const { limits, options } = this.#session
    return (
      this.#size > 2 * limits.maxMessageSize + limits.inputBuffer ||
      options.clock.monotonic() - this.#started > limits.messageMs
    )
  }

  /** Takes the next bytes of the content; once the message is refused they are thrown away. */
  async write(piece: Buffer): Promise<void> {
    this.#size += piece.length
    if (this.#refusal) return
    if (this.#size > this.#session.limits.maxMessageSize) return this.refuse(replies.tooBig, 'too-large')
    try {
      const written = this.#spool.write(piece)
      if (written) await written
    } catch (error) {
      await this.#fail(error)
    }
  }

  /** Refuses the message; the first refusal stands. */
  async refuse(answer: Reply, verdict: string): Promise<void> {
    if (this.#refusal) return
    this.#refusal = answer
    this.#verdict = verdict
    await this.#spool.abort()
  }

  /** Looks at what the decoder noticed so far. */
  async heed({ bare, longest }: LineFaults): Promise<void> {
    // RFC 3030 §3: a binary message has no lines but in its header, which is looked at when it is whole.
    if (this.#envelope.body === 'binarymime') return
    // SMTP smuggling: what another server may take for the end of a message is never passed on.
    if (bare) await this.refuse(replies.bareLineEnd, 'bad-message')
    if (longest > this.#session.limits.messageLine) await this.refuse(replies.longLine, 'bad-message')
  }

  /** The whole message is here: hands it to delivery. One reply, or for LMTP one per recipient (RFC 2033 §4.2). */
  async finish(): Promise<readonly Reply[]> {
    const { options, kind, stats } = this.#session
    const to = this.#mail.recipients
    let answers: Reply[] = []
    let verdicts: readonly RecipientVerdict[] = []
    let handed = false
    if (!this.#refusal) {
      try {
        const content = await this.#spool.finish()
        const checked = await options.checks.content(this.#mail.arrival, this.#envelope, content)
        if ('refusal' in checked) throw new MessageRefused(checked.refusal, 'data')
        const result = await options.delivery.receive(checked.arrival, this.#envelope, withMovedBytes(content))
        verdicts = result.verdicts
        for (const event of result.checked ?? []) this.#mail.history.tell(event)
        handed = true
        answers = kind === 'lmtp' ? verdicts.map((verdict) => this.#answer(verdict)) : [this.#answer(oneOf(verdicts))]
        const first = verdicts.every(({ ok }) => !ok) ? verdicts[0] : undefined
        if (first && !first.ok) this.#verdict = first.refusal.code
        this.#credit(result.unwanted === true, verdicts.filter(({ ok }) => ok).length)
      } catch (error) {
        await this.#fail(error)
      }
    }
    if (this.#refusal) answers = kind === 'lmtp' ? to.map(() => this.#refusal!) : [this.#refusal]
    this.#tell(answers)
    count(stats.messages, this.#verdict)
    if (this.#verdict === 'ok') stats.bytes += this.#size
    // What reaches delivery is logged there, once.
    if (!handed) this.#logRefused()
    return answers
  }

  /** The client went away or thought better of it. */
  async abort(why: string): Promise<void> {
    const { history } = this.#mail
    if (this.#refusal) return history.refuseMessage(this.#stage, this.#refusal, this.#content())
    history.withdraw(why, this.#content())
    this.#refusal = replies.stopping
    await this.#spool.abort()
  }

  async #checkHeader(header: Buffer): Promise<Buffer> {
    this.#header = header
    if (this.#envelope.body === 'binarymime' && !isCleanHeader(header))
      throw new MessageRefused(uncleanHeader, 'header')
    const checked = await this.#session.options.checks.header(this.#mail.arrival, this.#envelope, header)
    if ('refusal' in checked) throw new MessageRefused(checked.refusal, 'header')
    if (checked.params) this.#envelope = { ...this.#envelope, params: { ...this.#envelope.params, ...checked.params } }
    return checked.header
  }

  /** Mail that was wanted speaks for who brought it. */
  #credit(unwanted: boolean, recipients: number): void {
    if (unwanted || blamed.has(this.#verdict)) this.#session.blame()
    else if (recipients > 0) this.#session.visit?.good(recipients)
  }

  async #fail(error: unknown): Promise<void> {
    if (error instanceof MessageRefused) {
      this.#stage = error.stage
      return this.refuse(refusalReply(error.refusal), error.refusal.code)
    }
    if (!isExpected(error)) this.#session.log.error({ trace: this.#mail.arrival.traceId, err: error }, 'message failed')
    await this.refuse(replyToError(error), 'error')
  }

  /** The message is delivery's, with its history, or was refused for everybody. */
  #tell(answers: readonly Reply[]): void {
    const { history } = this.#mail
    const refused = answers.find(({ code }) => code >= 400)
    if (refused && answers.every(({ code }) => code >= 400))
      history.refuseMessage(this.#stage, refused, this.#content())
    else history.handOver()
  }

  #content(): { readonly size: number; readonly messageId?: string } {
    const id = messageId(firstField(this.#header, 'message-id') ?? '')
    return { size: this.#size, ...(id === undefined ? {} : { messageId: id }) }
  }

  #answer(verdict: RecipientVerdict): Reply {
    if (!verdict.ok) return refusalReply(verdict.refusal)
    return reply(250, '2.0.0', `Ok: queued as ${this.#mail.arrival.traceId}`)
  }

  #logRefused(): void {
    const { arrival, from, recipients } = this.#mail
    this.#session.log.info(
      {
        id: arrival.traceId,
        kind: arrival.kind,
        from: formatPath(from),
        to: recipients.slice(0, shownRecipients).map(({ address }) => formatAddress(address)),
        size: this.#size,
        verdict: this.#verdict,
        recipients: recipients.length,
        ip: arrival.clientIp,
        user: arrival.user,
        ms: Math.round(this.#session.options.clock.monotonic() - this.#started),
      },
      'message',
    )
  }
}

/** Carries a refusal of what the message holds: that of its header through the spool. */
class MessageRefused extends Error {
  readonly refusal: Refusal
  readonly stage: Stage
  constructor(refusal: Refusal, stage: Stage) {
    super(refusal.text)
    this.refusal = refusal
    this.stage = stage
  }
}

const uncleanHeader: Refusal = {
  code: 'bad-message',
  text: 'The header holds a CR without LF, an LF without CR or a NUL',
}

/** RFC 3030 §3: what is binary stands in parts, never in a header, where it could feign lines. */
function isCleanHeader(header: Buffer): boolean {
  const watch = new LineWatch()
  watch.push(header)
  watch.end()
  return !watch.bare && !header.includes(0)
}

/** Outside LMTP the message is accepted or refused as a whole. */
function oneOf(verdicts: readonly RecipientVerdict[]): RecipientVerdict {
  return verdicts.find(({ ok }) => ok) ?? verdicts[0] ?? { ok: true }
}

/** The bytes need not be copied on the way to the core: nobody here looks at them again. */
function withMovedBytes(content: NewContent): NewContent {
  const { bytes } = content
  // Only a buffer of its own: a view of the pool would take the pool along.
  if (!bytes || bytes.byteLength !== bytes.buffer.byteLength || !(bytes.buffer instanceof ArrayBuffer)) return content
  return moving(content, [bytes.buffer])
}
