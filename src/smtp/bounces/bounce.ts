// Reads a message that came back: is it a bounce, for whom, why, and of which message; or a complaint; or only an automatic reply.

import { Buffer } from 'node:buffer'
import { oneLine } from '../../base/index.ts'
import { firstField } from '../../mime/index.ts'
import { classifyText, enhancedAt, findReply } from './classify.ts'
import { readComplaint } from './complaint.ts'
import { isAutoReply, isBounce } from './evidence.ts'
import { type RecipientFields, readStatusReport, type StatusReport } from './fields.ts'
import { bounceLimits } from './limits.ts'
import { findAddress, idIn, isType, openMail, type ReturnedMail, returnedHeader, trimStart } from './message.ts'
import { isDelay, type Named, readNotice, splitNotice } from './notice.ts'
import { readSesNotification } from './ses.ts'
import type { Bounce, BouncedRecipient, Finding } from './types.ts'

export type * from './types.ts'

/** What a message says about mail that was sent. Never throws; looks at the first half MiB. */
export function readBounce(message: Buffer): Finding {
  const mail = openMail(message)
  const complaint = readComplaint(mail)
  if (complaint) return complaint
  const { notice, quoted } = readText(mail)
  const bounce = readReport(mail, notice, quoted)
  if (bounce) return bounce
  const ses = readSesNotification(mail, notice)
  if (ses) return ses
  if (isBounce(mail, notice)) {
    const read = readTextBounce(mail, notice, quoted)
    if (read.recipients.length > 0) return read
  }
  return { kind: isAutoReply(mail) ? 'auto-reply' : 'none' }
}

/** Text for people, and what is quoted behind it in the same part. */
function readText(mail: ReturnedMail): { readonly notice: string; readonly quoted: string } {
  const part =
    mail.parts.find((each) => each.type === 'text' && each.subtype === 'plain') ??
    mail.parts.find((each) => each.type === 'text' || each.type === 'multipart')
  return part ? splitNotice(mail.text(part)) : { notice: '', quoted: '' }
}

/** RFC 3464 §2: a part of fields; also where a program wrote the same fields into its text. */
function readReport(mail: ReturnedMail, notice: string, quoted: string): Bounce | undefined {
  const part = mail.parts.find((each) => isType(each, 'message/delivery-status', 'message/global-delivery-status'))
  const report = part ? readStatusReport(mail.bytes(part, bounceLimits.fields)) : fieldsInText(notice)
  if (report.recipients.length === 0) return undefined
  const named = report.recipients.some(isPoor) ? readNotice(notice) : []
  const byAddress = new Map(named.map((each) => [each.address.toLowerCase(), each] as const).reverse())
  const only = report.recipients.length === 1 ? named.find((each) => each.diagnostic) : undefined
  const recipients = report.recipients.map((fields) => toBounced(enrich(fields, byAddress, only)))
  return toBounce(mail, 'report', recipients, quoted, report.envelopeId)
}

function fieldsInText(notice: string): StatusReport {
  const at = notice.toLowerCase().indexOf('\nfinal-recipient:')
  const action = notice.toLowerCase().indexOf('\naction:')
  if (at < 0) return { recipients: [] }
  const start = action >= 0 && action < at ? action : at
  return readStatusReport(Buffer.from(notice.slice(start + 1), 'latin1'))
}

/** The fields do not say why: no diagnostic, or one that means nothing. */
function isPoor({ diagnostic, status, action }: RecipientFields): boolean {
  if (action === 'delivered' || action === 'relayed' || action === 'expanded') return false
  return (
    diagnostic === undefined ||
    diagnostic.length < 4 ||
    classifyText(diagnostic, { ...(status && { status }) }).class === 'unknown'
  )
}

/** Takes the words for people where the fields say nothing; of an address that the text does not name, those of the `only` one. */
function enrich(fields: RecipientFields, byAddress: ReadonlyMap<string, Named>, only?: Named): RecipientFields {
  if (!isPoor(fields)) return fields
  const { diagnostic } = byAddress.get(fields.address.toLowerCase()) ?? only ?? {}
  return diagnostic === undefined ? fields : { ...fields, diagnostic }
}

const isSame = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

function toBounced(fields: RecipientFields): BouncedRecipient {
  const { diagnostic = '', action } = fields
  const reported = fields.status === undefined ? undefined : enhancedAt(fields.status, 0)
  const said = findReply(diagnostic)?.status
  const status = reported === undefined || reported.endsWith('.0.0') ? (said ?? reported) : reported
  const bad = action === 'failed' || action === 'delayed'
  const verdict = classifyText(diagnostic, { ...(status && { status }), permanent: action === 'failed' })
  const { status: _, ...rest } = fields
  return { ...rest, ...(status && { status }), class: verdict.class, hard: bad && action === 'failed' && verdict.hard }
}

function readTextBounce(mail: ReturnedMail, notice: string, quoted: string): Bounce {
  const action = isDelay(mail.field('subject'), notice) ? 'delayed' : 'failed'
  const recipients = whom(mail, notice, quoted).map(({ address, diagnostic }) =>
    toBounced({ address, action, ...(diagnostic && { diagnostic }) }),
  )
  return toBounce(mail, 'text', recipients, quoted)
}

/** The recipients that a header field names; else those in the text; else the only one of the message that came back. */
function whom(mail: ReturnedMail, notice: string, quoted: string): readonly Named[] {
  const named = readNotice(notice)
  const failed = mail
    .field('x-failed-recipients')
    .split(',', bounceLimits.recipients)
    .flatMap((text) => findAddress(text)?.address ?? [])
  if (failed.length > 0)
    return [...new Set(failed)].map((address) => {
      const own = named.find((each) => isSame(each.address, address))
      const words = own?.diagnostic ?? (failed.length === 1 ? wordsOf(named, notice) : undefined)
      return { address, ...(words && { diagnostic: words }) }
    })
  if (named.length > 0) return named
  const header = returnedHeader(mail) ?? trimStart(Buffer.from(quoted, 'latin1'))
  const to = findAddress(firstField(header, 'to') ?? '')
  const words = wordsOf(named, notice)
  return to ? [{ address: to.address, ...(words && { diagnostic: words }) }] : []
}

function wordsOf(named: readonly Named[], notice: string): string | undefined {
  const text = oneLine(notice, 4 * bounceLimits.diagnostic)
  const reply = findReply(text)
  return (
    named.find((each) => each.diagnostic)?.diagnostic ??
    (oneLine(reply?.code === undefined ? text : text.slice(reply.at), bounceLimits.diagnostic) || undefined)
  )
}

function toBounce(
  mail: ReturnedMail,
  form: Bounce['form'],
  recipients: readonly BouncedRecipient[],
  quoted: string,
  envelopeId?: string,
): Bounce {
  const messageId = idIn(returnedHeader(mail)) ?? idIn(trimStart(Buffer.from(quoted, 'latin1')))
  return { kind: 'bounce', form, recipients, ...(messageId && { messageId }), ...(envelopeId && { envelopeId }) }
}
