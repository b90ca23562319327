// Bounces written for people alone (qmail, Exim, old Exchange, Gmail …): who is named in them, and what the server had said.
// Reads line by line; knows how programs name a recipient, not which program it is.

import { oneLine } from '../../base/index.ts'
import { findReply, foldText } from './classify.ts'
import { bounceLimits } from './limits.ts'
import { findAddress } from './message.ts'

export interface Named {
  readonly address: string
  readonly diagnostic?: string
}

/** Lines behind which the message that came back stands; compared without dashes, in lower case, by how they begin. */
const markers = [
  'below this line is a copy of the message',
  'this is a copy of the message',
  'this is a copy of your message',
  'original message',
  'message headers follow',
  'the header of the original message',
  'included is a copy of the message header',
  'returned message',
  'below is a copy of the original message',
  'unsent message follows',
  'original mail info',
  'message text follows',
  'undelivered message follows',
  'copy of the message follows',
]
/** Fields that begin a quoted header where no such line announces it. */
const headerStarts = ['received:', 'return-path:', 'message-id:', 'x-originating-ip:']

/** The words for people, and behind them what was quoted. */
export function splitNotice(text: string): { readonly notice: string; readonly quoted: string } {
  let at = 0
  let blank = true
  for (let n = 0; at < text.length && n < bounceLimits.lines; n++) {
    const lf = text.indexOf('\n', at)
    const end = lf < 0 ? text.length : lf
    const line = text
      .slice(at, Math.min(end, at + 200))
      .trim()
      .toLowerCase()
    if (markers.some((marker) => withoutDashes(line).startsWith(marker)))
      return { notice: text.slice(0, at), quoted: text.slice(end + 1) }
    const begins = blank || withoutDashes(line) === ''
    if (begins && headerStarts.some((start) => line.startsWith(start)))
      return { notice: text.slice(0, at), quoted: text.slice(at) }
    blank = withoutDashes(line) === ''
    at = end + 1
  }
  return { notice: text, quoted: '' }
}

function withoutDashes(line: string): string {
  let start = 0
  while (start < line.length && '-=*_ '.includes(line[start]!)) start++
  return line.slice(start)
}

/** Who is named as not reached, each once, with the words about him. */
export function readNotice(notice: string): readonly Named[] {
  const lines = notice.split('\n', bounceLimits.lines).map((line) => line.slice(0, bounceLimits.line))
  const found: (NamedLine & { readonly index: number })[] = []
  for (const [index, line] of lines.entries()) {
    const named = namedIn(line)
    // The reply that follows often names him again.
    if (named && named.address !== found.at(-1)?.address) found.push({ ...named, index })
  }
  const out = new Map<string, Named>()
  for (const [i, { address, rest, index, whole }] of found.entries()) {
    const key = address.toLowerCase()
    const end = found[i + 1]?.index ?? lines.length
    const words =
      wordsAfter(rest, whole ? [] : lines.slice(index + 1, end)) ?? wordsBefore(lines, index, found[i - 1]?.index ?? -1)
    if (!out.get(key)?.diagnostic) out.set(key, { address, ...(words && { diagnostic: words }) })
    if (out.size >= bounceLimits.recipients) break
  }
  return [...out.values()]
}

/** What stands before an address on a line that says whom it is about. */
const leads = [
  'deliver message to',
  'deliver your message to',
  'delivering your mail to',
  'delivered to:',
  "wasn't delivered to",
  'delivery failed:',
  'delivery userid:',
  'recipient:',
  'rejected recipient',
  'following recipient:',
  'address: <',
  '>>> rcpt to:',
  'in: rcpt to:',
]
/** What may follow an address that opens a line. */
const follows = [':', '...', ' [', ' on ', ' invalid address', '>:', '>...', '":', '>', '"', ' (', ' <', '; ']

interface NamedLine {
  readonly address: string
  /** The line's words about it. */
  readonly rest: string
  /** The line is a reply and says all. */
  readonly whole?: boolean
}

function namedIn(line: string): NamedLine | undefined {
  if (!line.includes('@')) return undefined
  const lower = line.toLowerCase()
  for (const lead of leads) {
    const at = lower.indexOf(lead)
    const found = at < 0 ? undefined : findAddress(line, at + lead.length)
    if (found)
      return { address: found.address, rest: `${line.slice(0, at + lead.length)} ${line.slice(found.end + 1)}` }
  }
  return openingAddress(line)
}

/** `user@example.com`, `<user@example.com>: words`, `554 <user@example.com>... words`, `* user@example.com`. */
function openingAddress(line: string): NamedLine | undefined {
  const found = findAddress(line)
  if (!found) return undefined
  const start = found.end - found.address.length
  const before = oneLine(line.slice(0, start), 20)
  const after = line.slice(found.end)
  const trimmed = after.trim()
  if (trimmed === '' && ['', '*', '<', '>>>'].includes(before)) return { address: found.address, rest: '' }
  const reply = before.length >= 4 && findReply(before)?.at === 0
  if (!['', '<', '"', '*', '* <', '>>>', '>>> <'].includes(before) && !reply) return undefined
  const lower = after.toLowerCase()
  if (!follows.some((follow) => lower.startsWith(follow))) return undefined
  return { address: found.address, rest: `${reply ? before.slice(0, 4) : ''}${stripPunctuation(after)}`, whole: reply }
}

/** The reply in the words that follow, up to the end of its paragraph; without one, the first paragraphs as they are. */
function wordsAfter(rest: string, lines: readonly string[]): string | undefined {
  const paragraphs: string[] = []
  let open = stripPunctuation(rest)
  let size = 0
  for (const line of [...lines, '']) {
    const text = oneLine(withoutArrows(line), bounceLimits.line)
    if (text !== '') open += `${open === '' ? '' : ' '}${text}`
    else if (open !== '') {
      paragraphs.push(open)
      open = ''
    }
    if ((size += line.length) > 4000) break
  }
  if (open !== '') paragraphs.push(open)
  for (const paragraph of paragraphs) {
    const reply = findReply(paragraph)
    if (reply) return oneLine(reply.code === undefined ? paragraph : paragraph.slice(reply.at), bounceLimits.diagnostic)
  }
  const words = oneLine(paragraphs.slice(0, 2).join(' '), bounceLimits.diagnostic)
  return words === '' ? undefined : words
}

/** Old programs say first why and then who. */
function wordsBefore(lines: readonly string[], index: number, last: number): string | undefined {
  const words: string[] = []
  for (let i = index - 1; i > last && index - i < 6; i--) {
    const text = oneLine(withoutArrows(lines[i]!), bounceLimits.line)
    if (text === '' && words.length > 0) break
    if (text !== '') words.unshift(text)
  }
  return oneLine(words.join(' '), bounceLimits.diagnostic) || undefined
}

function withoutArrows(line: string): string {
  const text = line.trimStart()
  return text.startsWith('<<<') || text.startsWith('>>>') ? text.slice(3) : line
}

function stripPunctuation(text: string): string {
  let start = 0
  while (start < text.length && '>":.); '.includes(text[start]!)) start++
  return oneLine(text.slice(start), bounceLimits.line)
}

const delayWords = [
  ' has been delayed ',
  ' been delayed ',
  ' not yet been delivered ',
  ' this is a warning message only ',
  ' warning could not send message ',
  ' will be retried ',
  ' delivery delayed ',
  ' delayed mail ',
  ' status notification delay ',
]

/** Whether a notice, or its subject, says that delivery is still tried. */
export function isDelay(subject: string, notice: string): boolean {
  const words = foldText(`${subject} ${notice.slice(0, 1500).replaceAll('\n', ' ')}`)
  return delayWords.some((phrase) => words.includes(phrase))
}
