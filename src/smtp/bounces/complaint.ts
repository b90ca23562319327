// Complaints: feedback reports (RFC 5965), and Hotmail's, which are the message itself with a field more.

import type { Buffer } from 'node:buffer'
import { oneLine } from '../../base/index.ts'
import { firstField } from '../../mime/index.ts'
import { type Fields, fieldGroups } from './fields.ts'
import { bounceLimits } from './limits.ts'
import { findAddress, idIn, isType, type ReturnedMail, returnedHeader } from './message.ts'
import type { Complaint } from './types.ts'

export function readComplaint(mail: ReturnedMail): Complaint | undefined {
  const part = mail.parts.find((each) => isType(each, 'message/feedback-report'))
  const header = returnedHeader(mail)
  if (!part) return readHotmail(mail, header)
  const fields = fieldGroups(mail.bytes(part, bounceLimits.complaint)).flat()
  const value = (...names: readonly string[]) => oneLine(valuesOf(fields, ...names)[0] ?? '', bounceLimits.value)
  const named = valuesOf(fields, 'original-rcpt-to', 'removal-recipient').map(toAddress)
  const inHeader = header ? toAddress(firstField(header, 'to') ?? '') : ''
  const recipients = [...new Set(named.length > 0 ? named : [inHeader])].filter((address) => address !== '')
  return {
    kind: 'complaint',
    type: value('feedback-type').toLowerCase() || 'abuse',
    recipients: recipients.slice(0, bounceLimits.recipients),
    ...optional('messageId', idIn(header)),
    ...optional('envelopeId', value('original-envelope-id')),
    ...optional('mailFrom', toAddress(value('original-mail-from') || returnPath(header))),
    ...optional('sourceIp', value('source-ip')),
    ...optional('arrival', value('arrival-date', 'received-date')),
    ...optional('agent', value('user-agent')),
    ...optional('domain', value('reported-domain')),
  }
}

function readHotmail(mail: ReturnedMail, header: Buffer | undefined): Complaint | undefined {
  const recipient = header && firstField(header, 'x-hmxmroriginalrecipient')
  const subject = mail.field('subject').toLowerCase()
  const opening = 'complaint about message from '
  if (recipient === undefined || !subject.startsWith(opening)) return undefined
  return {
    kind: 'complaint',
    type: 'abuse',
    recipients: [toAddress(recipient)],
    ...optional('messageId', idIn(header)),
    ...optional('mailFrom', toAddress(returnPath(header))),
    ...optional('sourceIp', oneLine(subject.slice(opening.length), bounceLimits.value)),
  }
}

/** The envelope sender, where the receiver's server wrote it down. */
const returnPath = (header: Buffer | undefined): string => (header && firstField(header, 'return-path')) ?? ''

function valuesOf(fields: Fields, ...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => fields.filter(([found]) => found === name).map(([, value]) => value))
}

const toAddress = (value: string): string => findAddress(value)?.address ?? oneLine(value, bounceLimits.value)

const optional = <K extends string>(key: K, value: string | undefined): { readonly [name in K]?: string } =>
  (value ? { [key]: value } : {}) as { readonly [name in K]?: string }
