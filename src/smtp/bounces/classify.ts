// What a refusal means: its class from text, enhanced code and code, in that order, by the tables of patterns.ts. Linear in the
// reply's length: phrases are looked for as they are, nothing can backtrack.

import { classWords, type ReplyClass } from './classes.ts'
import { codePatterns, decisiveStatuses, statusPatterns, textPatterns } from './patterns.ts'

export interface Refusal {
  /** Reply code; absent when the words are not a server's. */
  readonly code?: number
  /** Enhanced code: `5.1.1`. */
  readonly status?: string
  readonly text: string
  /** Whether it is final, where neither code nor enhanced code tell. */
  readonly permanent?: boolean
}

export interface Verdict {
  readonly class: ReplyClass
  /** Writing to this address again is useless: it, or its domain, is not there, and the server said so for good. */
  readonly hard: boolean
}

/** Characters of a text that are looked at. */
const maxText = 2000

/** The class of a refusal. Never throws, whatever the text. */
export function classify({ code, status, text, permanent }: Refusal): Verdict {
  const found =
    decisive.get(detailOf(status)) ?? byText(foldText(text)) ?? byStatus(status) ?? codes.get(code ?? 0) ?? 'unknown'
  const digit = code === undefined ? status?.[0] : String(code)[0]
  const final = digit === undefined ? permanent === true : digit === '5'
  return { class: found, hard: final && classWords[found].about === 'recipient' }
}

/** The class of words that may hold a reply: `550 5.1.1 text`, `mx.example said: 421 text`, or what a machine wrote itself. */
export function classifyText(text: string, fallback: Pick<Refusal, 'status' | 'permanent'> = {}): Verdict {
  const { code, status = fallback.status } = findReply(text) ?? {}
  const { permanent } = fallback
  return classify({
    text,
    ...(code !== undefined && { code }),
    ...(status !== undefined && { status }),
    ...(permanent !== undefined && { permanent }),
  })
}

const codes = new Map(codePatterns)
const statuses = new Map(statusPatterns)
const decisive = new Map(decisiveStatuses)

const detailOf = (status = ''): string => status.slice(status.indexOf('.') + 1)

interface Phrase {
  readonly pieces: readonly string[]
  readonly class: ReplyClass
  /** Its place in the table: the first wins. */
  readonly order: number
}

interface Phrases {
  /** By their first word. */
  readonly byWord: ReadonlyMap<string, readonly Phrase[]>
  /** Those whose first word goes on. */
  readonly loose: readonly Phrase[]
}

function readPhrases(): Phrases {
  const byWord = new Map<string, Phrase[]>()
  const loose: Phrase[] = []
  for (const [group, [name, list]] of textPatterns.entries()) {
    for (const pieces of list.split(',').map(toPieces)) {
      const phrase = { pieces, class: name, order: group }
      const [, word = '', more] = pieces[0]!.split(' ')
      const known = byWord.get(word)
      if (more === undefined) loose.push(phrase)
      else if (known) known.push(phrase)
      else byWord.set(word, [phrase])
    }
  }
  return { byWord, loose }
}

/** Read with the first refusal: many servers see none for days, and every start would wait. */
let phrases: Phrases | undefined

function byText(folded: string): ReplyClass | undefined {
  phrases ??= readPhrases()
  let best: Phrase | undefined
  const look = (phrase: Phrase) => {
    if ((best === undefined || phrase.order < best.order) && contains(folded, phrase.pieces)) best = phrase
  }
  for (const word of new Set(folded.split(' '))) phrases.byWord.get(word)?.forEach(look)
  phrases.loose.forEach(look)
  return best?.class
}

/** Pieces that must follow one another, each with the blanks that bound its words. */
function toPieces(pattern: string): readonly string[] {
  const words = pattern
    .replaceAll('\n', ' ')
    .split(' ')
    .filter((word) => word !== '')
  return words
    .join(' ')
    .split(' .. ')
    .map((piece) => (piece.endsWith('*') ? ` ${piece.slice(0, -1)}` : ` ${piece} `))
}

function contains(folded: string, phrase: readonly string[]): boolean {
  let at = 0
  for (const piece of phrase) {
    const found = folded.indexOf(piece, at)
    if (found < 0) return false
    // The blank behind a piece may be the one before the next.
    at = found + piece.length - 1
  }
  return true
}

function byStatus(status: string | undefined): ReplyClass | undefined {
  if (status === undefined) return undefined
  const detail = detailOf(status)
  return statuses.get(detail) ?? statuses.get(detail.slice(0, detail.indexOf('.') + 1))
}

/**
 * Lower case, letters and digits, single blanks between and around. Addresses are left out, and of URLs all but the host:
 * `spam@example.com` or `…/mailbox-full` is no statement.
 */
export function foldText(text: string): string {
  let out = ' '
  for (const word of text.slice(0, maxText).normalize('NFKC').toLowerCase().split(' ')) {
    const bare = word.includes('@') ? '' : hostOnly(word)
    for (let i = 0; i < bare.length; i++) {
      const c = bare.charCodeAt(i)
      const kept = (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || c > 0x7f
      if (kept) out += bare[i]
      else if (!out.endsWith(' ')) out += ' '
    }
    if (!out.endsWith(' ')) out += ' '
  }
  return out
}

function hostOnly(word: string): string {
  const scheme = word.indexOf('://')
  if (scheme < 0) return word
  const slash = word.indexOf('/', scheme + 3)
  return slash < 0 ? word.slice(scheme + 3) : word.slice(scheme + 3, slash)
}

export interface FoundReply {
  readonly code?: number
  readonly status?: string
  /** Where the reply begins in the text. */
  readonly at: number
}

const isDigit = (c: number) => c >= 0x30 && c <= 0x39
const isWordChar = (c: number) => isDigit(c) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a)

/** The first reply or lone enhanced code in a text: `550 5.1.1 …`, `550-5.1.1 …`, `550 …`, `(#5.1.1)`. */
export function findReply(text: string): FoundReply | undefined {
  const end = Math.min(text.length, maxText)
  for (let i = 0; i < end; i++) {
    const first = text[i]
    if ((first !== '4' && first !== '5') || (i > 0 && !startsReply(text, i))) continue
    const status = enhancedAt(text, i)
    if (status !== undefined) return { status, at: i }
    if (!isDigit(text.charCodeAt(i + 1)) || !isDigit(text.charCodeAt(i + 2))) continue
    const next = text[i + 3] ?? ' '
    if (text.charCodeAt(i + 1) > 0x35 || (next !== ' ' && next !== '-' && next !== ':')) continue
    const code = Number(text.slice(i, i + 3))
    let at = i + 4
    while (text[at] === ' ' || text[at] === ':' || text[at] === '#' || text[at] === '<' || text[at] === "'") at++
    const detail = enhancedAt(text, at)
    return { code, at: i, ...(detail?.[0] === first && { status: detail }) }
  }
  return undefined
}

/** A number in the middle of a word, an address or another number is no code. */
function startsReply(text: string, at: number): boolean {
  const before = text[at - 1]!
  if (before === '[') return text[at + 3] === ' '
  return before <= '~' && !isWordChar(before.charCodeAt(0)) && !'.-/@_=&+%'.includes(before)
}

/** The enhanced code (RFC 3463 §2) that stands at `at`. */
export function enhancedAt(text: string, at: number): string | undefined {
  if ((text[at] !== '4' && text[at] !== '5') || text[at + 1] !== '.') return undefined
  let i = at + 2
  for (let piece = 0; piece < 2; piece++) {
    const start = i
    while (isDigit(text.charCodeAt(i))) i++
    if (i === start || i - start > 3) return undefined
    if (piece === 0 && text[i++] !== '.') return undefined
  }
  const c = text.charCodeAt(i)
  return isWordChar(c) || (text[i] === '.' && isDigit(text.charCodeAt(i + 1))) ? undefined : text.slice(at, i)
}
