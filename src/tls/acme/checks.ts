// Looks before an order whether it can succeed: authorities count what fails. Asks the DNS, changes nothing.

import { isIP } from 'node:net'
import { Fault } from '../../base/index.ts'
import { type Answer, type CaaRecord, type CaaResolver, caaAllows } from '../../dns/index.ts'
import type { ChallengeType } from './types.ts'

export interface Wanted {
  readonly names: readonly string[]
  readonly challenge: ChallengeType
  /** What the authority calls itself in CAA records; empty: unknown. */
  readonly issuers: readonly string[]
  /** URL of our account. */
  readonly account: string
}

export interface CheckParts {
  readonly resolver: CaaResolver
  readonly hostname: string
  /** Of this machine's interfaces. */
  readonly addresses: () => readonly string[]
}

/** Fault that names the first name for which no authority would issue, and why. */
export async function checkNames(parts: CheckParts, wanted: Wanted): Promise<void> {
  for (const name of wanted.names) checkForm(name, wanted.challenge)
  if (wanted.challenge !== 'dns-01') for (const name of wanted.names) await checkLeadsHere(parts, name)
  for (const name of wanted.names) await checkCaa(parts.resolver, name, wanted)
}

/** Names of hosts that an authority may know: two labels or more of letters, digits and hyphens; `*.` for wildcards. */
export function checkForm(name: string, challenge: ChallengeType): void {
  const host = name.startsWith('*.') ? name.slice(2) : name
  const labels = host.split('.')
  const isLabel = (label: string) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)
  if (isIP(name) !== 0 || host.length > 253 || labels.length < 2 || !labels.every(isLabel))
    throw new Fault('invalid', `${name}: no authority issues for this: a host name such as mail.example.org is needed`)
  if (host !== name && challenge !== 'dns-01')
    throw new Fault(
      'invalid',
      `${name}: a wildcard can only be proven by dns-01, not by ${challenge}: set acme.challenge`,
    )
}

async function addressesOf({ resolver }: Pick<CheckParts, 'resolver'>, name: string): Promise<string[]> {
  const answers = await Promise.all([resolver.a(name), resolver.aaaa(name)])
  const failed = answers.find((answer) => answer.status === 'failed')
  const found = answers.flatMap((answer) => (answer.status === 'ok' ? answer.records : []))
  if (failed && found.length === 0)
    throw new Fault('unavailable', `${name}: its address cannot be looked up: ${failed.reason}`)
  return found
}

async function checkLeadsHere(parts: CheckParts, name: string): Promise<void> {
  const found = await addressesOf(parts, name)
  if (found.length === 0)
    throw new Fault('not-found', `${name} has no address in the DNS: an authority would not find us`)
  if (name === parts.hostname) return
  const ours = await ownAddresses(parts)
  if (!found.some((address) => ours.has(address)))
    throw new Fault(
      'denied',
      `${name} leads to ${found.join(', ')}, not here (${[...ours].join(', ')}): an authority would not find us`,
    )
}

async function ownAddresses(parts: CheckParts): Promise<Set<string>> {
  return new Set([...(await addressesOf(parts, parts.hostname).catch(() => [])), ...parts.addresses()])
}

/** Whether the name leads to this server; false too when nobody can say. */
export async function leadsHere(parts: CheckParts, name: string): Promise<boolean> {
  return checkLeadsHere(parts, name).then(
    () => true,
    () => false,
  )
}

/** RFC 8659 §3: the set of the name, or of the nearest name above it that has one, decides. */
async function checkCaa(resolver: CaaResolver, name: string, wanted: Wanted): Promise<void> {
  if (wanted.issuers.length === 0) return
  const wildcard = name.startsWith('*.')
  for (
    let at = wildcard ? name.slice(2) : name;
    at !== '';
    at = at.includes('.') ? at.slice(at.indexOf('.') + 1) : ''
  ) {
    const answer: Answer<CaaRecord> = await resolver.caa(at)
    if (answer.status !== 'ok') continue
    const { issuers, account, challenge: method } = wanted
    if (!caaAllows(answer.records, { issuers, account, method, wildcard }))
      throw new Fault(
        'denied',
        `${name}: the CAA records of ${at} do not allow ${issuers[0]} to issue for us: see posthorn dns`,
      )
    return
  }
}
