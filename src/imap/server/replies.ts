// From faults to IMAP's words: one total table, so that a new fault code does not compile until this door answers it.

import { Fault, type FaultCode, formatRanges, isFault, type Log, type Ranges, SyntaxFault } from '../../base/index.ts'
import type { Output } from './output.ts'

/** A message was named by number where UIDONLY is in force (RFC 9586 §3). */
export class UidRequired extends SyntaxFault {
  constructor() {
    super('messages are named by UID only')
  }
}

/** More messages than one command may have (RFC 9738 §3.1). */
export class MessageLimit extends Fault {
  readonly imapCode: string

  /** `lowest`: the last UID that would have been done. */
  constructor(limit: number, lowest?: number) {
    super('limit', `at most ${limit} messages at once`)
    this.imapCode = formatMessageLimit(limit, lowest)
  }
}

/** RFC 9738 §3.1; `lowest` is a UID. */
export const formatMessageLimit = (limit: number, lowest?: number) =>
  `MESSAGELIMIT ${limit}${lowest === undefined ? '' : ` ${lowest}`}`

/** So much is not watched (RFC 5465 §3.1). */
export class NotifyOverflow extends Fault {
  constructor(limit: number) {
    super('limit', `NOTIFY is for up to ${limit} mailboxes`)
  }
}

/** How a command ended well: the text after OK, with a response code if there is one. */
export interface Outcome {
  readonly text: string
  readonly code?: string
  /** Absent: OK. */
  readonly status?: 'OK' | 'NO' | 'BAD'
}

/** Response codes of RFC 9051 §7.1 and RFC 5530 §3. */
const faultReplies = {
  'not-found': { status: 'NO', code: 'NONEXISTENT' },
  exists: { status: 'NO', code: 'ALREADYEXISTS' },
  denied: { status: 'NO', code: 'NOPERM' },
  invalid: { status: 'NO', code: 'CANNOT' },
  unauthenticated: { status: 'NO', code: 'AUTHENTICATIONFAILED' },
  disabled: { status: 'NO', code: 'AUTHORIZATIONFAILED' },
  limit: { status: 'NO', code: 'LIMIT' },
  'over-quota': { status: 'NO', code: 'OVERQUOTA' },
  'too-large': { status: 'NO', code: 'TOOBIG' },
  conflict: { status: 'NO', code: undefined },
  'in-use': { status: 'NO', code: 'INUSE' },
  unsupported: { status: 'NO', code: 'CANNOT' },
  'disk-full': { status: 'NO', code: 'UNAVAILABLE' },
  unavailable: { status: 'NO', code: 'UNAVAILABLE' },
  internal: { status: 'NO', code: 'SERVERBUG' },
} satisfies Record<FaultCode, { status: 'NO' | 'BAD'; code: string | undefined }>

export type CodeOverrides = { readonly [code in FaultCode]?: string }

/** The reply to a command that failed. What is our fault is logged with its stack, and its words stay here. */
export function failure(error: unknown, log: Log, overrides: CodeOverrides = {}): Outcome {
  if (error instanceof UidRequired) return { status: 'BAD', code: 'UIDREQUIRED', text: error.message }
  if (error instanceof SyntaxFault) return { status: 'BAD', text: printable(error.message) }
  if (error instanceof MessageLimit) return { status: 'NO', code: error.imapCode, text: error.message }
  if (error instanceof NotifyOverflow) return { status: 'NO', code: 'NOTIFICATIONOVERFLOW', text: error.message }
  if (isFault(error) && error.code !== 'internal') {
    log.debug({ code: error.code, reason: error.message }, 'refused')
    const { status, code } = faultReplies[error.code]
    return { status, code: overrides[error.code] ?? code, text: printable(error.message) }
  }
  log.error({ err: error }, 'command failed')
  return { status: 'NO', code: faultReplies.internal.code, text: 'internal error, it was logged' }
}

/** Messages of other rooms may quote what a client sent. */
function printable(text: string): string {
  let out = ''
  for (let i = 0; i < text.length && i < 500; i++) {
    const c = text.charCodeAt(i)
    out += c >= 0x20 && c < 0x7f ? text[i] : '?'
  }
  return out || 'refused'
}

export function formatReply(tag: string, { status = 'OK', code, text }: Outcome): string {
  return code ? `${tag} ${status} [${code}] ${text}` : `${tag} ${status} ${text}`
}

export const formatModseq = (modseq: number) => `* OK [HIGHESTMODSEQ ${modseq}] Highest`

/** Ranges of one line: some kilobytes. */
const RANGES_PER_LINE = 500

/** UIDs that are gone; `earlier`: before the mailbox was opened, so that the client counts none of them (RFC 7162 §3.2.10). */
export function sayVanished(out: Output, uids: Ranges, earlier: boolean): void {
  const head = earlier ? '* VANISHED (EARLIER) ' : '* VANISHED '
  for (let at = 0; at < uids.length; at += RANGES_PER_LINE)
    out.line(head + formatRanges(uids.slice(at, at + RANGES_PER_LINE)))
}
