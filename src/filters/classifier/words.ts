// Words of a text as tokens, and the tricks by which words are hidden from a reader like this one. One pass, linear in the text.

import type { Links } from './links.ts'
import { finish, type Kind, seedOf, step, type TokenSet } from './token-set.ts'

/** Longer ones are keys, codes and encoded data. */
const longest = 24
/** Letters that stand alone in a row: a word spelled with blanks. */
const spelled = 5

const other = 0
const letter = 1
const digit = 2
/** Within a word it is as if it were not there. */
const invisible = 3
/** Each is a word of its own: Han, Kana, Hangul. */
const ideograph = 4

const ascii = new Uint8Array(128)
for (let c = 97; c < 123; c++) ascii[c] = letter
for (let c = 65; c < 91; c++) ascii[c] = letter
for (let c = 48; c < 58; c++) ascii[c] = digit

function classOf(c: number): number {
  if (c < 128) return ascii[c]!
  if (c === 0xad || (c >= 0x200b && c <= 0x200d) || c === 0x2060 || c === 0xfeff) return invisible
  if (c < 0xc0 || c === 0xd7 || c === 0xf7) return other
  if (c < 0x2000) return letter
  if (c < 0x2c00) return other
  if (c >= 0x3040 && c < 0xd7b0) return ideograph
  return c >= 0xf900 && c < 0xfb00 ? ideograph : c < 0x3000 ? letter : other
}

const latin = 1
const greek = 2
const cyrillic = 4
const scriptOf = (c: number): number =>
  c < 0x250 ? latin : c >= 0x370 && c < 0x400 ? greek : c >= 0x400 && c < 0x530 ? cyrillic : 8

/** What looks like a Latin letter, for words in which both stand; and digits and signs that stand for letters. */
const lookalikes = new Map(
  [...'аaеeоoрpсcуyхxіiѕsјjһhԁdвbкkмmнhтtαaεeοoρpτtυuνvιiκkгrпn'.matchAll(/(.)(.)/gu)].map(([, from, to]) => [
    from!,
    to!,
  ]),
)
const leet = new Map(Object.entries({ '0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b' }))

const replaceAll = (word: string, map: ReadonlyMap<string, string>): string => {
  let out = ''
  for (const char of word) out += map.get(char) ?? char
  return out
}

/** Without case and variants, character by character where it can be. */
function toComparable(text: string): string {
  return Buffer.byteLength(text) === text.length ? text.toLowerCase() : text.normalize('NFKC').toLowerCase()
}

/** Puts the words of a text, its pairs of words and what is odd about it into `tokens`; addresses of the web into `links`. */
export function readWords(text: string, kind: Kind, tokens: TokenSet, links?: Links): void {
  new WordReader(toComparable(text), text, kind, tokens, links).read()
}

class WordReader {
  readonly #text: string
  readonly #given: string
  readonly #kind: Kind
  readonly #tokens: TokenSet
  readonly #links: Links | undefined
  readonly #seed: number
  #from = 0
  #letters = 0
  #digits = 0
  #hidden = 0
  #scripts = 0
  #hash = 0
  /** The two words before. */
  #last = 0
  #lastBut = 0
  #alone = ''
  #words = 0
  #capitals = 0
  #obscured = 0

  constructor(text: string, given: string, kind: Kind, tokens: TokenSet, links: Links | undefined) {
    this.#text = text
    this.#given = given.length === text.length ? given : text
    this.#kind = kind
    this.#tokens = tokens
    this.#links = links
    this.#hash = this.#seed = seedOf(kind)
  }

  read(): void {
    const text = this.#text
    for (let i = 0; i < text.length && !this.#tokens.full; i++) {
      const c = text.charCodeAt(i)
      const cls = classOf(c)
      if (cls === letter || cls === digit) {
        if (this.#letters + this.#digits === 0) {
          const end = this.#links ? this.#passLink(i) : i
          if (end > i) {
            i = end - 1
            continue
          }
          this.#from = i
        }
        if (cls === letter) {
          this.#letters++
          this.#scripts |= scriptOf(c)
        } else this.#digits++
        this.#hash = step(this.#hash, c)
      } else if (cls === invisible) {
        if (this.#letters > 0) this.#hidden++
      } else if (cls === ideograph) {
        this.#end(i)
        this.#from = i
        this.#put(finish(step(this.#seed, c)), i + 1)
      } else if ((c !== 39 && c !== 0x2019) || this.#letters === 0) {
        this.#end(i)
        if (c === 33 && text.charCodeAt(i + 1) === 33) this.#tokens.fact('shape:!!')
        else if (isCurrency(c)) this.#sum(i)
        else if (c === 43 || c === 40) this.#telephone(i)
        else if (c === 37 && i > 0 && classOf(text.charCodeAt(i - 1)) === digit) this.#tokens.fact('shape:percent')
        else if (c >= 0xd83c && c <= 0xd83e) this.#tokens.fact(`${this.#kind === 'body' ? 'shape' : this.#kind}:emoji`)
      }
    }
    this.#end(text.length)
    this.#speltOut()
    this.#shape()
  }

  /** Where an address of the web that begins here ends; `i` when none does. */
  #passLink(i: number): number {
    const text = this.#text
    const c = text.charCodeAt(i)
    if (c !== 104 && c !== 119) return i
    if (!text.startsWith('http://', i) && !text.startsWith('https://', i) && !text.startsWith('www.', i)) return i
    let end = i
    while (end < text.length && !isLinkEnd(text.charCodeAt(end))) end++
    this.#links!.add(c === 119 ? `http://${text.slice(i, end)}` : text.slice(i, end))
    return end
  }

  /** A word ends before `end`. */
  #end(end: number): void {
    const size = this.#letters + this.#digits
    if (size > 0) this.#finishWord(size, end)
    this.#letters = this.#digits = this.#hidden = this.#scripts = 0
    this.#hash = this.#seed
  }

  #finishWord(size: number, end: number): void {
    if (size === 1) {
      if (this.#letters === 1 && this.#alone.length < longest) this.#alone += this.#text[this.#from]!
      return
    }
    this.#speltOut()
    const length = Math.min(size, 9)
    if (this.#letters === 0) this.#put(finish(step(step(this.#seed, 35), length)), end, `#${length}`)
    else if (size > longest) this.#tokens.fact('word:long')
    // Numbers of orders, keys: no two messages have the same.
    else if (this.#digits >= 3 && size >= 7) this.#tokens.fact('word:code')
    else this.#finishReal(end)
  }

  #finishReal(end: number): void {
    this.#words++
    if (this.#letters >= 4 && this.#given !== this.#text && this.#isShouted(end)) this.#capitals++
    if (this.#hidden > 0) this.#odd('invisible')
    if ((this.#scripts & latin) !== 0 && (this.#scripts & (greek | cyrillic)) !== 0)
      this.#disguised('script', end, lookalikes)
    else if (this.#digits > 0 && this.#letters >= 3 && this.#isLeet(end)) this.#disguised('digits', end, leet)
    this.#put(finish(this.#hash), end)
  }

  #put(hash: number, end: number, name?: string): void {
    const from = this.#from
    this.#tokens.hashed(this.#kind, hash, () => name ?? this.#text.slice(from, end))
    if (this.#last !== 0) this.#tokens.pair(this.#last, hash, true)
    if (this.#lastBut !== 0) this.#tokens.pair(this.#lastBut, hash, false)
    this.#lastBut = this.#last
    this.#last = hash
  }

  #odd(how: string): void {
    this.#obscured++
    this.#tokens.fact(`disguised:${how}`)
  }

  /** The word that a reader sees. */
  #disguised(how: string, end: number, map: ReadonlyMap<string, string>): void {
    this.#odd(how)
    this.#tokens.word(this.#kind, replaceAll(this.#text.slice(this.#from, end), map))
  }

  /** Digits between letters, each of which could be one: `v1agra`, not `h264`. */
  #isLeet(end: number): boolean {
    let found = false
    for (let i = this.#from + 1; i < end - 1; i++) {
      if (ascii[this.#text.charCodeAt(i)] !== digit) continue
      if (!leet.has(this.#text[i]!) || classOf(this.#text.charCodeAt(i - 1)) !== letter) return false
      if (classOf(this.#text.charCodeAt(i + 1)) !== letter) return false
      found = true
    }
    return found
  }

  #isShouted(end: number): boolean {
    for (let i = this.#from; i < end; i++) {
      const c = this.#text.charCodeAt(i)
      if (classOf(c) === letter && this.#given.charCodeAt(i) === c) return false
    }
    return true
  }

  /** Letters with blanks between them that are over now. */
  #speltOut(): void {
    if (this.#alone.length >= spelled) {
      this.#odd('spelled')
      this.#tokens.word(this.#kind, this.#alone)
    }
    this.#alone = ''
  }

  /** A sum of money: how many digits it has. */
  #sum(i: number): void {
    const text = this.#text
    let digits = 0
    for (let j = i + 1; j < i + 16 && j < text.length; j++) {
      const c = text.charCodeAt(j)
      if (classOf(c) === digit) digits++
      else if (c !== 32 && c !== 44 && c !== 46 && c !== 0xa0) break
    }
    this.#tokens.fact(digits > 0 ? `money:${digits}` : 'money')
  }

  /** A number to call begins with a plus or a bracket and has nine digits at least. */
  #telephone(i: number): void {
    const text = this.#text
    let digits = 0
    for (let j = i + 1; j < i + 22 && j < text.length; j++) {
      const c = text.charCodeAt(j)
      if (classOf(c) === digit) digits++
      else if (c !== 32 && c !== 45 && c !== 46 && c !== 41 && c !== 47) break
    }
    if (digits >= 9) this.#tokens.fact('telephone')
  }

  #shape(): void {
    const [tokens, words] = [this.#tokens, this.#words]
    if (this.#kind === 'name') return
    const where = this.#kind === 'body' ? 'shape' : 'subject'
    if (words >= 3 && this.#capitals * 2 > words) tokens.fact(`${where}:capitals`)
    else if (words >= 10 && this.#capitals * 10 > words) tokens.fact(`${where}:some capitals`)
    if (this.#obscured >= 3) tokens.fact('disguised:often')
  }
}

const isCurrency = (c: number): boolean => c === 36 || c === 0x20ac || c === 0xa3

/** White space, quotes and angle brackets end an address in a text. */
function isLinkEnd(c: number): boolean {
  return c <= 32 || c === 34 || c === 60 || c === 62 || c === 0xa0 || c === 41 || c === 93
}
