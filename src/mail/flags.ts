// Flag names and their bits: five system flags, then keywords numbered by mailbox. Knows no messages.

import { Fault } from '../base/index.ts'
import { mailboxRows, type Reader, type Writer } from '../store/index.ts'
import type { FlagBits } from './types.ts'

/** Bit of each system flag in `lo`. */
export const systemFlags = { '\\Seen': 1, '\\Answered': 2, '\\Flagged': 4, '\\Deleted': 8, '\\Draft': 16 } as const
export const seen = systemFlags['\\Seen']
export const deleted = systemFlags['\\Deleted']

/** Keyword n is bit 5 + n: 27 of them in `lo`, the rest in `hi`. */
const firstKeyword = 5
export const maxKeywords = 59
const maxKeywordLength = 100

const systemBits = new Map<string, number>(
  Object.entries(systemFlags).map(([name, bit]) => [name.toLowerCase(), bit] as const),
)

/** Bits of keyword n. */
export function keywordBits(n: number): FlagBits {
  const bit = firstKeyword + n
  return bit < 32 ? { lo: (1 << bit) >>> 0, hi: 0 } : { lo: 0, hi: (1 << (bit - 32)) >>> 0 }
}

/** The names of a message's flags; `keywords` by number, as MailReads gives them. */
export function flagNames({ lo, hi }: FlagBits, keywords: readonly string[]): string[] {
  const names: string[] = Object.entries(systemFlags).flatMap(([name, bit]) => (lo & bit ? [name] : []))
  if (lo >>> firstKeyword === 0 && hi === 0) return names
  for (let n = 0; n < keywords.length; n++) {
    const bits = keywordBits(n)
    if (((lo & bits.lo) | (hi & bits.hi)) !== 0) names.push(keywords[n]!)
  }
  return names
}

/** Keyword names by number. */
export async function loadKeywords(tx: Reader, mailbox: number): Promise<string[]> {
  return (await mailboxRows.keywords(tx, mailbox)).map(({ name }) => name)
}

/**
 * Bits of the named flags. Unknown keywords get a number in this mailbox when `create`, and are left out otherwise. Case does not
 * matter; the first spelling is kept. Faults: `invalid` (a system flag that nobody may set, a name outside the grammar), `limit`.
 */
export async function resolveFlags(
  tx: Writer,
  mailbox: number,
  names: readonly string[],
  create: boolean,
): Promise<FlagBits> {
  let lo = 0
  let hi = 0
  let known: string[] | undefined
  for (const name of names) {
    const system = systemBits.get(name.toLowerCase())
    if (system !== undefined) {
      lo |= system
      continue
    }
    assertKeyword(name)
    known ??= await loadKeywords(tx, mailbox)
    const n = await numberOf(tx, mailbox, name, known, create)
    if (n === undefined) continue
    const bits = keywordBits(n)
    lo |= bits.lo
    hi |= bits.hi
  }
  return { lo: lo >>> 0, hi: hi >>> 0 }
}

async function numberOf(
  tx: Writer,
  mailbox: number,
  name: string,
  known: string[],
  create: boolean,
): Promise<number | undefined> {
  const folded = name.toLowerCase()
  const n = known.findIndex((other) => other.toLowerCase() === folded)
  if (n >= 0) return n
  if (!create) return undefined
  if (known.length >= maxKeywords) throw new Fault('limit', `a mailbox may have at most ${maxKeywords} keywords`)
  await mailboxRows.addKeyword(tx, mailbox, known.length, name)
  return known.push(name) - 1
}

/** A keyword is an atom (RFC 9051 §9). */
function assertKeyword(name: string): void {
  if (name === '' || name.length > maxKeywordLength) throw new Fault('invalid', 'a keyword has 1 to 100 characters')
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || '(){%*"\\]'.includes(name[i]!))
      throw new Fault('invalid', `${JSON.stringify(name)} is no flag that can be set`)
  }
}

/**
 * How the keywords of one mailbox are told in another: a function from bits to bits, which makes those that the target lacks when they
 * are used first.
 */
export async function createKeywordMap(
  tx: Writer,
  from: number,
  to: number,
): Promise<(bits: FlagBits) => FlagBits | Promise<FlagBits>> {
  if (from === to) return (bits) => bits
  const names = await loadKeywords(tx, from)
  const known = await loadKeywords(tx, to)
  const mapped = new Map<number, FlagBits>()
  const translate = async (bits: FlagBits): Promise<FlagBits> => {
    let lo = bits.lo & 31
    let hi = 0
    for (let n = 0; n < names.length; n++) {
      const source = keywordBits(n)
      if (((bits.lo & source.lo) | (bits.hi & source.hi)) === 0) continue
      let target = mapped.get(n)
      if (!target) mapped.set(n, (target = keywordBits((await numberOf(tx, to, names[n]!, known, true))!)))
      lo |= target.lo
      hi |= target.hi
    }
    return { lo: lo >>> 0, hi: hi >>> 0 }
  }
  return (bits) => (bits.lo <= 31 && bits.hi === 0 ? bits : translate(bits))
}
