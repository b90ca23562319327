// Notifications of Amazon SES, which come as JSON: for those who send through it and let its topic write to a mailbox.

import { oneLine } from '../../base/index.ts'
import { classifyText, enhancedAt } from './classify.ts'
import { bounceLimits } from './limits.ts'
import type { ReturnedMail } from './message.ts'
import type { Bounce, BouncedRecipient, Complaint } from './types.ts'

type Json = { readonly [name: string]: unknown }

export function readSesNotification(mail: ReturnedMail, notice: string): Bounce | Complaint | undefined {
  if (!mail.field('from').toLowerCase().includes('@sns.amazonaws.com')) return undefined
  const outer = parse(notice)
  const found = typeof outer['Message'] === 'string' ? parse(outer['Message']) : outer
  const messageId = text(toObject(found['mail'])['messageId'])
  const id = messageId === '' ? {} : { messageId }
  if (found['notificationType'] === 'Bounce') {
    const bounce = toObject(found['bounce'])
    const soft = bounce['bounceType'] !== 'Permanent'
    const recipients = toList(bounce['bouncedRecipients']).map((entry) => toBounced(entry, soft))
    return { kind: 'bounce', form: 'json', recipients, ...id }
  }
  if (found['notificationType'] !== 'Complaint') return undefined
  const complaint = toObject(found['complaint'])
  const recipients = toList(complaint['complainedRecipients']).map((entry) => text(entry['emailAddress']))
  return { kind: 'complaint', type: text(complaint['complaintFeedbackType']) || 'abuse', recipients, ...id }
}

function toBounced(entry: Json, soft: boolean): BouncedRecipient {
  const words = text(entry['diagnosticCode'], bounceLimits.diagnostic)
  const diagnostic = words.startsWith('smtp;') ? words.slice(5).trim() : words
  const status = enhancedAt(text(entry['status']), 0)
  const verdict = classifyText(diagnostic, { ...(status && { status }), permanent: !soft })
  return {
    address: text(entry['emailAddress']),
    action: entry['action'] === 'delayed' ? 'delayed' : 'failed',
    ...(status && { status }),
    ...(diagnostic && { diagnostic }),
    class: verdict.class,
    hard: verdict.hard && !soft,
  }
}

/** JSON that stands in lines as mail has them; an empty object when it is none. */
function parse(json: string): Json {
  const end = json.lastIndexOf('}')
  try {
    return toObject(JSON.parse(json.slice(0, end + 1).replaceAll('\n', '')))
  } catch {
    return {}
  }
}

const toObject = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}

const toList = (value: unknown): readonly Json[] =>
  Array.isArray(value) ? value.slice(0, bounceLimits.recipients).map(toObject) : []

const text = (value: unknown, max: number = bounceLimits.value): string =>
  typeof value === 'string' ? oneLine(value, max) : ''
