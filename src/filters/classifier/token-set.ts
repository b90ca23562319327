// The tokens of one message: 32-bit numbers, each once. Their words are kept only where somebody will read them.

/** Tokens of one message: what comes beyond is left out. */
export const maxTokens = 4_000

/** Words of the body, of the subject, of a display name; what is seen of header, links, markup and attachments. */
export type Kind = 'body' | 'subject' | 'name' | 'fact'
const seeds: Readonly<Record<Kind, number>> = {
  body: 0x3c6e_f372,
  subject: 0x1b87_3593,
  name: 0x510e_527f,
  fact: 0x2545_f491,
}
const shown: Readonly<Record<Kind, string>> = { body: '', subject: 'subject:', name: 'name:', fact: '' }

export const seedOf = (kind: Kind): number => seeds[kind]

/** FNV-1a, a character at a time; `finish` spreads the last ones over all bits. */
export const step = (hash: number, code: number): number => Math.imul(hash ^ code, 0x0100_0193)

export function finish(hash: number): number {
  let h = hash ^ (hash >>> 15)
  h = Math.imul(h, 0x2c1b_3c6d)
  h ^= h >>> 12
  h = Math.imul(h, 0x297a_2d39)
  return h ^ (h >>> 15)
}

export function hashOf(kind: Kind, text: string): number {
  let hash = seeds[kind]
  for (let i = 0; i < text.length; i++) hash = step(hash, text.charCodeAt(i))
  return finish(hash)
}

export class TokenSet {
  /** Words and facts, in the order in which they stand: what a user's own counts are kept of. */
  readonly singles: number[] = []
  /** Two words with none or one between them. */
  readonly pairs: number[] = []
  /** Only with `named`. */
  readonly names: Map<number, string> | undefined
  readonly #seen = new Set<number>()

  constructor(named: boolean) {
    if (named) this.names = new Map()
  }

  get full(): boolean {
    return this.#seen.size >= maxTokens
  }

  /** Whether the fact is there. */
  has(fact: string): boolean {
    return this.#seen.has(hashOf('fact', fact))
  }

  /** Something that is so, as `link:address`. */
  fact(text: string): void {
    this.#single(hashOf('fact', text), text)
  }

  word(kind: Kind, text: string): void {
    this.#single(hashOf(kind, text), `${shown[kind]}${text}`)
  }

  /** A word whose hash is there already. */
  hashed(kind: Kind, hash: number, text: () => string): void {
    this.#single(hash, this.names ? `${shown[kind]}${text()}` : '')
  }

  /** `near`: nothing stands between them. */
  pair(first: number, second: number, near: boolean): void {
    const hash = finish(Math.imul(first, near ? 0x0100_0193 : 0x5bd1_e995) ^ second)
    if (this.#seen.has(hash) || this.full) return
    this.#seen.add(hash)
    this.pairs.push(hash)
    this.names?.set(hash, `${this.names.get(first) ?? ''} ${near ? '' : '… '}${this.names.get(second) ?? ''}`)
  }

  #single(hash: number, text: string): void {
    if (this.#seen.has(hash) || this.full) return
    this.#seen.add(hash)
    this.singles.push(hash)
    this.names?.set(hash, text)
  }
}
