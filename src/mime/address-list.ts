// Address headers (RFC 5322 §3.4 with the obsolete forms of §4.4), read as broad as people's programs write them. Linear, never throws.

import { MAX_ADDRESSES } from './limits.ts'
import type { EnvelopeAddress } from './types.ts'

/** One word of a phrase or a local part; `spaced` when white space or a comment stood before it. */
interface Word {
  readonly text: string
  readonly spaced: boolean
}

/**
 * The mailboxes of an unfolded From, To, Cc … value; names keep their encoded words. A mailbox without `@` has no `domain`.
 * A comment behind a bare address serves as its name, as mail of the eighties has it.
 */
export function parseAddressList(value: string): EnvelopeAddress[] {
  return new AddressListReader(value).read()
}

class AddressListReader {
  readonly #text: string
  #at = 0
  #spaced = false
  #comment: string | undefined
  /** A quote without an end was met: that one and all behind it are ordinary characters. */
  #openQuote = false
  readonly #out: EnvelopeAddress[] = []

  constructor(text: string) {
    this.#text = text
  }

  read(): EnvelopeAddress[] {
    let inGroup = false
    while (this.#out.length < MAX_ADDRESSES) {
      this.#skip()
      const char = this.#text[this.#at]
      if (char === undefined) break
      if (char === ',') this.#at++
      else if (char === ';') {
        this.#at++
        if (inGroup) this.#out.push({})
        inGroup = false
      } else if (this.#entry(inGroup)) inGroup = true
    }
    if (inGroup) this.#out.push({})
    return this.#out
  }

  /** Reads a mailbox, or the start of a group: then true. */
  #entry(inGroup: boolean): boolean {
    this.#comment = undefined
    const words = this.#words()
    const char = this.#text[this.#at]
    if (char === ':' && !inGroup) {
      this.#at++
      this.#out.push({ group: joinWords(words) })
      return true
    }
    if (char === '<') this.#angle(joinWords(words))
    else if (char === '@') this.#bare(words)
    else {
      // Something that cannot stand here is skipped, so that every turn moves on.
      if (words.length > 0) this.#push(this.#comment, joinWords(words))
      if (char !== undefined && char !== ',' && char !== ';') this.#at++
    }
    return false
  }

  /** `name <route:local@domain>`; without `>` it ends at the next comma. */
  #angle(name: string): void {
    while (this.#text[this.#at] === '<') {
      this.#at++
      this.#skip()
    }
    const route = this.#route()
    let words = this.#words()
    // Some write a URI: `<mailto:local@domain>`.
    if (this.#text[this.#at] === ':') {
      this.#at++
      words = this.#words()
    }
    const { local, domain } = this.#address(words)
    while (this.#at < this.#text.length && !'>,;'.includes(this.#text[this.#at]!)) this.#at++
    if (this.#text[this.#at] === '>') this.#at++
    // What stands between `>` and the comma belongs to nothing, except a comment.
    this.#skip()
    const rest = this.#words()
    this.#push(name || this.#comment || joinWords(rest), local, domain, route)
  }

  /** `@a,@b:` before the address (RFC 5322 §4.4), without the colon; '' when none stands here. */
  #route(): string {
    const start = this.#at
    const domains: string[] = []
    while (this.#text[this.#at] === '@') {
      domains.push(`@${this.#domainAfterAt()}`)
      while (this.#text[this.#at] === ',') {
        this.#at++
        this.#skip()
      }
    }
    if (domains.length > 0 && this.#text[this.#at] === ':') {
      this.#at++
      this.#skip()
      return domains.join(',')
    }
    this.#at = start
    return ''
  }

  /** What `words` and the domain behind them name; of several `@` the last one counts. */
  #address(words: readonly Word[]): { local: string; domain: string } {
    let local = joinWords(words, true)
    let domain = this.#domainAfterAt()
    while (this.#text[this.#at] === '@') {
      local += `@${domain}`
      domain = this.#domainAfterAt()
    }
    return { local, domain }
  }

  /** An address without angle brackets; words before the last one are a name that lost its brackets. */
  #bare(words: readonly Word[]): void {
    const start = this.#at
    let first = words.length - 1
    while (first > 0 && isJoined(words[first - 1]!, words[first]!)) first--
    const { local, domain } = this.#address(words.slice(Math.max(first, 0)))
    // Outlook writes the address once more as a name, without quotes.
    if (this.#text[this.#at] === '<') this.#angle(joinWords(words) + this.#text.slice(start, this.#at).trimEnd())
    else this.#push(joinWords(words.slice(0, Math.max(first, 0))) || this.#comment, local, domain)
  }

  #push(name: string | undefined, local: string, domain?: string, route?: string): void {
    const entry: { name?: string; route?: string; local: string; domain?: string } = { local }
    if (name) entry.name = name
    if (route) entry.route = route
    if (domain) entry.domain = domain
    this.#out.push(entry)
  }

  /** Atoms, dots and quoted strings up to a special. */
  #words(): Word[] {
    const words: Word[] = []
    for (;;) {
      this.#skip()
      const char = this.#text[this.#at]
      if (char === undefined || isEnd(char)) return words
      const spaced = this.#spaced
      const quoted = char === '"' ? this.#quoted() : undefined
      if (quoted !== undefined) words.push({ text: quoted, spaced })
      else words.push({ text: this.#atom(), spaced })
    }
  }

  /** Up to white space, a comment, a quote or a special; brackets and backslashes have no meaning here. */
  #atom(): string {
    const start = this.#at
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!
      if (isEnd(char) || isBlank(char) || (char === '"' && !this.#openQuote) || char === '(') break
      this.#at++
    }
    return this.#text.slice(start, this.#at)
  }

  /** Undefined when the quote has no end. */
  #quoted(): string | undefined {
    if (this.#openQuote) return undefined
    const { text, end } = unquote(this.#text, this.#at, '"')
    this.#openQuote = end > this.#text.length
    if (this.#openQuote) return undefined
    this.#at = end
    return text
  }

  /** `@domain` with the blanks and comments of old times taken out; '' when nothing follows. */
  #domainAfterAt(): string {
    if (this.#text[this.#at] !== '@') return ''
    this.#at++
    let domain = ''
    for (;;) {
      this.#skip()
      const char = this.#text[this.#at]
      if (char === undefined || isEnd(char) || (char === '"' && !this.#openQuote)) return domain
      // Two words that no dot joins are two things.
      if (this.#spaced && domain !== '' && !domain.endsWith('.') && char !== '.') return domain
      if (char === '[') {
        const close = this.#text.indexOf(']', this.#at)
        const end = close < 0 ? this.#text.length : close + 1
        domain += this.#text.slice(this.#at, end)
        this.#at = end
      } else domain += this.#atom()
    }
  }

  /** White space and comments; remembers the first comment of an entry and whether anything was skipped. */
  #skip(): void {
    const start = this.#at
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!
      if (char === '(') {
        const { text, end } = unquote(this.#text, this.#at, ')')
        this.#comment ??= text.trim() || undefined
        this.#at = end
      } else if (isBlank(char)) this.#at++
      else break
    }
    this.#spaced = this.#at > start
  }
}

/** Text between the delimiter at `at` and its `close`, quoted pairs resolved; comments nest and keep the inner parentheses. */
function unquote(text: string, at: number, close: '"' | ')'): { text: string; end: number } {
  let out = ''
  let from = at + 1
  let depth = 1
  let i = from
  for (; i < text.length; i++) {
    const char = text[i]!
    if (char === close && --depth === 0) break
    if (char === '(' && close === ')') depth++
    if (char !== '\\') continue
    out += text.slice(from, i)
    from = ++i
  }
  return { text: out + text.slice(from, i), end: i + 1 }
}

/** Words with one space where white space stood; in a local part none around dots. */
function joinWords(words: readonly Word[], local = false): string {
  let out = ''
  for (const [i, word] of words.entries()) {
    const blank = i > 0 && word.spaced && !(local && isJoined(words[i - 1]!, word))
    out += blank ? ` ${word.text}` : word.text
  }
  return out
}

function isJoined(before: Word, word: Word): boolean {
  return !word.spaced || word.text.startsWith('.') || before.text.endsWith('.')
}

function isEnd(char: string): boolean {
  return char === ',' || char === ';' || char === ':' || char === '<' || char === '>' || char === '@'
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\r' || char === '\n'
}
