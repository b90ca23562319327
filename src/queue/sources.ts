// Addresses of ours that mail leaves from: named pools, and rules that say which mail uses which. Asks nobody.

import { isIP } from 'node:net'
import type { Address, Path } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import { matchesDomain } from './limit.ts'

export interface Source {
  /** Empty: whichever the system takes. */
  readonly address: string
  /** What it calls itself; absent: the server's own name. */
  readonly helo?: string
}

export interface SourceRule {
  /** `a.test`, `.a.test` or `ann@a.test`; absent: every sender. */
  readonly sender?: string
  /** `b.test` or `.b.test`; absent: every recipient. */
  readonly recipient?: string
  readonly pool: string
}

export interface SourceOptions {
  readonly pools: { readonly [name: string]: readonly Source[] }
  /** The first that fits decides. What fits none goes from the pool `default`, or from whichever address the system takes. */
  readonly rules: readonly SourceRule[]
}

export interface Sources {
  /** Name of the pool; empty: the system's choice. */
  poolOf(sender: Path, recipient: Address): string
  in(pool: string): readonly Source[]
}

const system: readonly Source[] = [{ address: '' }]

/** Throws Fault `invalid` naming what is wrong. */
export function createSources({ pools, rules }: SourceOptions): Sources {
  for (const [name, list] of Object.entries(pools)) {
    if (list.length === 0) throw new Fault('invalid', `the pool "${name}" of source addresses is empty`)
    if (name === '' || name.includes(' ')) throw new Fault('invalid', `"${name}" is no name for a pool`)
    for (const { address } of list)
      if (isIP(address) === 0) throw new Fault('invalid', `"${address}" in the pool "${name}" is no IP address`)
  }
  for (const { pool } of rules)
    if (!Object.hasOwn(pools, pool)) throw new Fault('invalid', `a rule names the pool "${pool}", which does not exist`)
  const usual = Object.hasOwn(pools, 'default') ? 'default' : ''
  return {
    poolOf: (sender, recipient) =>
      rules.find((rule) => fits(rule.sender, sender) && fits(rule.recipient, recipient))?.pool ?? usual,
    in: (pool) => (Object.hasOwn(pools, pool) ? pools[pool]! : system),
  }
}

function fits(pattern: string | undefined, path: Path): boolean {
  if (pattern === undefined) return true
  if (path === null) return false
  const at = pattern.lastIndexOf('@')
  if (at < 0) return matchesDomain(pattern.toLowerCase(), path.domain)
  return (
    path.local.toLowerCase() === pattern.slice(0, at).toLowerCase() &&
    path.domain === pattern.slice(at + 1).toLowerCase()
  )
}
