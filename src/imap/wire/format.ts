// Pieces of responses: mailbox names, strings, flags. Text only; who sends it and when is the server's.

import { encodeModifiedUtf7 } from './modified-utf7.ts'
import { isQuotable, quote } from './text.ts'

/** Object ids (RFC 8474 §7): a letter for the kind, and the number. */
export const formatMailboxId = (id: number) => `F${id}`
export const formatEmailId = (id: number) => `M${id}`
export const formatThreadId = (id: number) => `T${id}`

/** A mailbox name as astring: as it is for who enabled UTF-8 (RFC 6855 §3), else in modified UTF-7 (RFC 3501 §5.1.3). */
export function formatMailbox(name: string, utf8: boolean): string {
  return name === 'INBOX' ? name : quote(utf8 ? name : encodeModifiedUtf7(name))
}

/** As an atom where it can be one, else as a string. */
export function formatAstring(text: string): string {
  let plain = text !== ''
  for (let i = 0; i < text.length && plain; i++) plain = atomChars.includes(text[i]!)
  return plain ? text : formatString(text)
}
const atomChars = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+@'

/** Any text as a string: quoted, or as a literal when it cannot be (RFC 9051 §4.3). UTF-8 is quoted for who enabled it (RFC 6855 §3). */
export function formatString(text: string, utf8 = false): string {
  return isQuotable(text, utf8) && text.length <= 1000 ? quote(text) : `{${Buffer.byteLength(text)}}\r\n${text}`
}

const systemFlags = ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'] as const
export const SYSTEM_FLAGS: readonly string[] = systemFlags

/** Words of the flags set in `lo` and `hi`: bits 0–4 the system flags, bit 5+n keyword n. */
export function flagWords(lo: number, hi: number, keywords: readonly string[]): string {
  let words = ''
  for (let i = 0; i < systemFlags.length; i++) if (lo & (1 << i)) words += words ? ` ${systemFlags[i]}` : systemFlags[i]
  if (lo >>> 5 === 0 && hi === 0) return words
  for (let n = 0; n < keywords.length; n++) {
    const bit = n + 5
    const set = bit < 32 ? (lo >>> bit) & 1 : (hi >>> (bit - 32)) & 1
    if (set) words += words ? ` ${keywords[n]}` : keywords[n]
  }
  return words
}
