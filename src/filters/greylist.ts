// Greylisting: mail of unknown senders for which nobody vouches is to come again. Remembers nothing itself: who asks, asks the core.

import type { Verification } from '../mailauth/index.ts'
import type { FilterAnswer, FilterRequest } from './types.ts'

/** What is asked of who remembers. */
export interface GreylistQuestion {
  readonly ip: string
  readonly from: string
  readonly to: readonly string[]
  readonly delayMs?: number
}

export interface GreylistParts {
  /** How the recipients' domains want it; undefined: not at all. */
  readonly settings: (to: readonly string[]) => Promise<{ readonly delayMs?: number } | undefined>
  readonly ask: (
    question: GreylistQuestion,
  ) => Promise<{ readonly pass: true; readonly why: string } | { readonly pass: false; readonly waitMs: number }>
}

export interface Greylist {
  /** Of mail from outside: mail from inside, and what an operator's own server brings, is not verified and never waits. */
  check(mail: Required<Pick<FilterRequest, 'ip' | 'from' | 'to' | 'verification'>>): Promise<FilterAnswer>
}

export function createGreylist({ settings, ask }: GreylistParts): Greylist {
  return {
    async check({ ip, from, to, verification }) {
      const voucher = vouchesFor(verification)
      if (voucher !== undefined) return accepted(voucher)
      const wanted = await settings(to)
      if (!wanted) return accepted()
      const answer = await ask({ ip, from, to, ...wanted })
      if (answer.pass) return accepted(answer.why)
      const seconds = Math.max(1, Math.ceil(answer.waitMs / 1000))
      const reason = `this sender is not known here yet and nobody vouches for him; try again in ${seconds} s`
      return { action: 'defer', reasons: [reason] }
    },
  }
}

const accepted = (reason?: string): FilterAnswer => ({
  action: 'accept',
  reasons: reason === undefined ? [] : [reason],
})

/** Who vouches that the author's domain sent it: then it is to blame, and waiting tells nothing. */
function vouchesFor({ spf, dkim, dmarc }: Verification): string | undefined {
  if (dmarc.result === 'pass') return 'DMARC passes'
  const { from } = dmarc
  if (dmarc.result === 'fail' || from === undefined) return undefined
  // Without a DMARC record: alignment all the same (RFC 9989 §4.4.1), as far as names alone tell it.
  if (spf.result === 'pass' && isRelated(spf.domain, from)) return 'SPF passes for the domain of the author'
  const signed = dkim.some(({ result, domain }) => result === 'pass' && isRelated(domain, from))
  return signed ? 'DKIM passes for the domain of the author' : undefined
}

const isRelated = (one: string, other: string): boolean => {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  return a === b || a.endsWith(`.${b}`) || b.endsWith(`.${a}`)
}
