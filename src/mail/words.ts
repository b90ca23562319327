// Words of a text for searches that are not exact: without case and accents, and where a script has no spaces, each pair of neighbours.
// What is said here is kept in the index: whoever changes it begins that anew (see store/search/rows.ts).

/** Letters and digits; scripts without spaces apart. Texts are folded and their marks taken out before. */
const toAnyWord = () =>
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]+|[[\p{L}\p{N}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]]+/gv
const toSpaceless = () =>
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]/v
/** V8 takes milliseconds for the sets of characters: not at the start, and not where all is ASCII. */
let anyWord: RegExp | undefined
let spaceless: RegExp | undefined
const isSpaceless = (text: string): boolean => {
  spaceless ??= toSpaceless()
  return spaceless.test(text)
}
const asciiWord = /[a-z0-9]+/g
const marks = /\p{M}+/gu
const mark = /^\p{M}/u

/** Of a longer word (a key, a picture as text) only the beginning counts. */
export const maxWord = 48
/** Words of what is looked for that count. */
const maxWanted = 16

/** Every word of a folded text, as often as it occurs. */
export function* wordsOf(text: string): Generator<string> {
  if (Buffer.byteLength(text) === text.length) {
    for (const [word] of text.matchAll(asciiWord)) yield word.slice(0, maxWord)
    return
  }
  anyWord ??= toAnyWord()
  for (const [word] of text.replace(marks, '').matchAll(anyWord)) {
    if (word.charCodeAt(0) < 128 || !isSpaceless(word)) yield word.slice(0, maxWord)
    else yield* pairsOf(word)
  }
}

/** A single character stands for itself. */
function* pairsOf(run: string): Generator<string> {
  const points = [...run]
  if (points.length === 1) yield run
  for (let at = 0; at + 1 < points.length; at++) yield points[at]! + points[at + 1]!
}

/** The different words of a folded text, as the index takes them. */
export function wordList(text: string): string {
  return [...new Set(wordsOf(text))].join(' ')
}

/** The words that are looked for; empty when the text has none. */
export function wantedWords(needle: string): string[] {
  return [...new Set(wordsOf(needle))].slice(0, maxWanted)
}

/** Whether it is all of one script without spaces and a pair at most: then who holds the text holds the word. */
export function isPair(needle: string): boolean {
  const points = [...needle]
  return points.length === 2 && points.every((point) => isSpaceless(point) && !mark.test(point))
}

/** Counts wanted words in a text that may come in pieces. */
export class WordCount {
  readonly #places: ReadonlyMap<string, number>
  readonly #wanted: readonly string[]
  readonly #whole: Uint32Array
  readonly #begun: Uint32Array
  #rest = ''

  constructor(wanted: Iterable<string>) {
    this.#wanted = [...wanted]
    this.#places = new Map(this.#wanted.map((word, place) => [word, place]))
    this.#whole = new Uint32Array(this.#wanted.length)
    this.#begun = new Uint32Array(this.#wanted.length)
  }

  add(text: string): this {
    for (const word of wordsOf(text))
      for (let i = 0; i < this.#wanted.length; i++) {
        if (!word.startsWith(this.#wanted[i]!)) continue
        if (word.length === this.#wanted[i]!.length) this.#whole[i]!++
        else this.#begun[i]!++
      }
    return this
  }

  /** A piece that may end within a word. */
  addPiece(piece: string): void {
    const text = this.#rest + piece
    const cut = Math.max(text.lastIndexOf('\n'), text.lastIndexOf(' ')) + 1
    // A text without spaces is not kept for ever.
    const end = text.length - cut > 1_000 ? text.length : cut
    this.add(text.slice(0, end))
    this.#rest = text.slice(end)
  }

  end(): this {
    this.add(this.#rest)
    this.#rest = ''
    return this
  }

  /** How often the word occurs; as the beginning of another it counts half. */
  times(word: string): number {
    const place = this.#places.get(word)
    return place === undefined ? 0 : this.#whole[place]! + this.#begun[place]! / 2
  }
}

/** 0 when a word is missing in all that was counted; otherwise up to 1, the nearer the more often and the more exactly they occur. */
export function wordScore(words: readonly string[], ...counts: readonly WordCount[]): number {
  let sum = 0
  for (const word of words) {
    const times = counts.reduce((all, count) => all + count.times(word), 0)
    if (times === 0) return 0
    sum += times / (times + 1)
  }
  return sum / words.length
}
