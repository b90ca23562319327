// Every refusal of the house with its SMTP reply code and enhanced status code (RFC 5321 §4.2.3, RFC 3463 §3): one total table for SMTP and LMTP.

import type { RecipientVerdict, Refusal, RefusalCode, SmtpRefusal } from './types.ts'

export const smtpRefusals = {
  'unknown-user': { code: 550, enhanced: '5.1.1' },
  'disabled-user': { code: 550, enhanced: '5.2.1' },
  'over-quota': { code: 452, enhanced: '4.2.2' },
  'relay-denied': { code: 550, enhanced: '5.7.1' },
  'sender-denied': { code: 550, enhanced: '5.7.1' },
  'sender-invalid': { code: 550, enhanced: '5.1.7' },
  'bad-message': { code: 550, enhanced: '5.6.0' },
  'too-large': { code: 552, enhanced: '5.3.4' },
  loop: { code: 554, enhanced: '5.4.6' },
  'too-many-recipients': { code: 452, enhanced: '4.5.3' },
  'reports-only': { code: 550, enhanced: '5.7.1' },
  // RFC 7372 §3.3.
  disowned: { code: 550, enhanced: '5.7.26' },
  spam: { code: 550, enhanced: '5.7.1' },
  malware: { code: 550, enhanced: '5.7.1' },
  blocked: { code: 550, enhanced: '5.7.1' },
  limited: { code: 450, enhanced: '4.7.1' },
  greylisted: { code: 451, enhanced: '4.7.1' },
  suppressed: { code: 550, enhanced: '5.7.1' },
  'disk-full': { code: 452, enhanced: '4.3.1' },
  'try-later': { code: 451, enhanced: '4.3.0' },
} as const satisfies Record<RefusalCode, SmtpRefusal>

/** `550 5.1.1 text` as its three parts. */
export function formatRefusal({ code, text }: Refusal): SmtpRefusal & { readonly text: string } {
  return { ...smtpRefusals[code], text }
}

export const accepted: RecipientVerdict = { ok: true }

/** `text` is for the person at the other end: one line of ASCII that names no account he did not name. */
export function refuse(code: RefusalCode, text: string): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { code, text } }
}
