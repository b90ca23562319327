// What most clients ask of a header, kept apart from the message: all fields but those that only mail servers write and read. A request
// that names one of these is answered from the message itself. Pure.
//
// One excerpt: number of fields u8, then for each its name's number u8 and its length u16 (little-endian), then the fields as they stand,
// then the empty line if the message has one, under the number of `emptyLine`.

import { parseFields } from '../mime/index.ts'

/** Field names by number, from 1. Numbers are stored: names may only be added at the end. */
const names = [
  ...['from', 'to', 'cc', 'bcc', 'subject', 'date', 'message-id', 'in-reply-to', 'references', 'reply-to', 'sender'],
  ...['content-type', 'content-transfer-encoding', 'content-disposition', 'content-description', 'content-language'],
  ...['content-id', 'mime-version', 'priority', 'x-priority', 'importance', 'x-msmail-priority', 'newsgroups'],
  ...['list-id', 'list-post', 'list-help', 'list-subscribe', 'list-unsubscribe', 'list-unsubscribe-post'],
  ...['list-archive', 'list-owner', 'x-mailer', 'user-agent', 'disposition-notification-to', 'return-receipt-to'],
  ...['x-label', 'x-keywords', 'x-spam-flag', 'x-spam-status', 'x-spam-score', 'lines', 'status', 'x-status'],
  ...['x-original-to', 'delivered-to', 'envelope-to', 'return-path', 'auto-submitted', 'precedence', 'organization'],
  ...['thread-topic', 'thread-index', 'followup-to', 'mail-followup-to', 'mail-reply-to', 'errors-to'],
  ...['resent-from', 'resent-to', 'resent-cc', 'resent-date', 'resent-message-id', 'resent-sender', 'archived-at'],
]
const numbers = new Map(names.map((name, i) => [name, i + 1]))
const other = 0
const emptyLine = 255

/** Trails of servers, half of many headers. Never change without a new part of fetch_block: what is stored lacks these and no others. */
const left = new Set([
  ...['received', 'x-received', 'received-spf', 'authentication-results', 'dkim-signature', 'domainkey-signature'],
  ...['arc-seal', 'arc-message-signature', 'arc-authentication-results', 'x-google-dkim-signature'],
  ...['x-google-smtp-source', 'x-gm-message-state', 'autocrypt', 'x-spam-report', 'x-forefront-antispam-report'],
])
const leftPrefixes = ['x-ms-exchange-', 'x-microsoft-']
const isLeft = (name: string) => left.has(name) || leftPrefixes.some((prefix) => name.startsWith(prefix))

const maxFields = 120
/** An excerpt longer than this is not worth its place. */
const maxBytes = 4096

/** The excerpt of a whole header with its empty line, if there is one; undefined when it would be too long. */
export function makeExcerpt(header: Buffer): Buffer | undefined {
  const fields = parseFields(header).filter(({ name }) => !isLeft(name.toLowerCase()))
  if (fields.length > maxFields) return undefined
  const pieces = fields.map(({ start, end }) => header.subarray(start, end))
  const ids = fields.map(({ name }) => numbers.get(name.toLowerCase()) ?? other)
  if (endsWithEmptyLine(header)) {
    pieces.push(Buffer.from('\r\n'))
    ids.push(emptyLine)
  }
  const head = Buffer.alloc(1 + ids.length * 3)
  head[0] = ids.length
  for (let i = 0, at = 1; i < ids.length; i++, at += 3) {
    if (pieces[i]!.length > 0xffff) return undefined
    head[at] = ids[i]!
    head.writeUInt16LE(pieces[i]!.length, at + 1)
  }
  const excerpt = Buffer.concat([head, ...pieces])
  return excerpt.length > maxBytes ? undefined : excerpt
}

/** Whether the header's last line is empty. */
export function endsWithEmptyLine(header: Buffer): boolean {
  const end = header.length - (header.at(-2) === 13 ? 2 : 1)
  return header.at(-1) === 10 && (end === 0 || header[end - 1] === 10)
}

/** Finds the fields of some names in excerpts. What was found stays until the next `find`. */
export class FieldChooser {
  readonly #wanted = new Uint8Array(256)
  /** Names without a number. */
  readonly #others: ReadonlySet<string>
  /** Bytes of what was found. */
  size = 0
  /** Where the pieces stand: `count` pairs of start and end. */
  readonly runs = new Uint32Array((maxFields + 1) * 2)
  count = 0

  private constructor(wanted: readonly string[]) {
    const others = new Set<string>()
    for (const name of wanted) {
      const id = numbers.get(name)
      if (id === undefined) others.add(name)
      else this.#wanted[id] = 1
    }
    this.#wanted[emptyLine] = 1
    this.#others = others
  }

  /** Undefined when an excerpt does not have all of these. */
  static of(fields: readonly string[]): FieldChooser | undefined {
    const wanted = fields.map((name) => name.toLowerCase())
    return wanted.some(isLeft) ? undefined : new FieldChooser(wanted)
  }

  /** Looks through the excerpt at `from` of `bytes`. */
  find(bytes: Buffer, from: number): void {
    const fields = bytes[from]!
    let start = from + 1 + fields * 3
    let last = -1
    this.size = 0
    this.count = 0
    for (let at = from + 1, i = 0; i < fields; i++, at += 3) {
      const id = bytes[at]!
      const end = start + bytes[at + 1]! + bytes[at + 2]! * 256
      if (this.#wanted[id] === 1 || (id === other && this.#others.size > 0 && this.#isOther(bytes, start, end))) {
        this.size += end - start
        if (last === start) this.runs[this.count * 2 - 1] = end
        else {
          this.runs[this.count * 2] = start
          this.runs[this.count * 2 + 1] = end
          this.count++
        }
        last = end
      }
      start = end
    }
  }

  #isOther(bytes: Buffer, start: number, end: number): boolean {
    let colon = start
    while (colon < end && bytes[colon] !== 58) colon++
    return this.#others.has(bytes.toString('latin1', start, colon).trimEnd().toLowerCase())
  }
}
