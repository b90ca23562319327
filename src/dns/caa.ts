// What CAA records say: whether an authority may issue. Asks nobody.

import type { CaaRecord } from './types.ts'

export interface CaaQuestion {
  /** What the authority calls itself. */
  readonly issuers: readonly string[]
  readonly wildcard: boolean
  /** URL of the account that asks; absent: not known. */
  readonly account?: string
  /** Such as `dns-01`. */
  readonly method: string
}

/** Whether this set, which holds for the name, lets the authority issue (RFC 8659 §4.2, §4.3; RFC 8657 §3, §4). */
export function caaAllows(records: readonly CaaRecord[], { issuers, wildcard, account, method }: CaaQuestion): boolean {
  const tagged = (tag: string) => records.filter((record) => record.tag === tag)
  const wild = wildcard ? tagged('issuewild') : []
  const holding = wild.length > 0 ? wild : tagged('issue')
  if (holding.length === 0) return true
  return holding.some(({ value }) => {
    const [issuer = '', ...parameters] = value.split(';').map((part) => part.trim())
    const of = (key: string) => parameters.find((one) => one.startsWith(`${key}=`))?.slice(key.length + 1)
    const [wanted, methods] = [of('accounturi'), of('validationmethods')]
    return (
      issuers.includes(issuer.toLowerCase()) &&
      (wanted === undefined || account === undefined || wanted === account) &&
      (methods === undefined || methods.split(',').includes(method))
    )
  })
}
