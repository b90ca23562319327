// Whether somebody else's mailbox wants the reports that a domain sends there (RFC 9990 §4): else any domain could flood any mailbox.

import type { Resolver } from '../dns/index.ts'
import { organizationOf } from '../mailauth/index.ts'
import { type Destination, parseDestinations, parseTags } from './policy-record.ts'

type MailDestination = Extract<Destination, { readonly kind: 'mail' }>

export interface Verified {
  readonly wanted: readonly MailDestination[]
  /** One line each, for people. */
  readonly refused: readonly string[]
  /** The DNS did not answer for at least one of them: ask again. */
  readonly unknown: boolean
}

/** Of the destinations that a record published at `domain` names those that may be written to. `tag`: which of its tags named them. */
export async function verifyDestinations(
  dns: Resolver,
  domain: string,
  destinations: readonly Destination[],
  tag: 'rua' | 'ruf',
): Promise<Verified> {
  const wanted = new Map<string, MailDestination>()
  const refused: string[] = []
  let unknown = false
  for (const destination of destinations) {
    if (destination.kind !== 'mail') continue
    const { address } = destination
    const answer = await ask(dns, domain, destination, tag)
    if (answer === 'unknown') unknown = true
    else if (answer.length === 0) refused.push(`${address.domain} does not say that it wants reports on ${domain}`)
    else for (const one of answer) wanted.set(`${one.address.local}@${one.address.domain}`, one)
  }
  return { wanted: [...wanted.values()], refused, unknown }
}

const maxName = 253

async function ask(
  dns: Resolver,
  domain: string,
  destination: MailDestination,
  tag: 'rua' | 'ruf',
): Promise<readonly MailDestination[] | 'unknown'> {
  const host = destination.address.domain.toLowerCase()
  if (host === domain) return [destination]
  const [own, other] = await Promise.all([organizationOf(dns, domain), organizationOf(dns, host)])
  if (own === undefined || other === undefined) return 'unknown'
  if (own === other) return [destination]
  const name = `${domain}._report._dmarc.${host}`
  if (name.length > maxName) return []
  const answer = await dns.txt(name)
  if (answer.status === 'failed') return 'unknown'
  const records = answer.status === 'ok' ? answer.records.filter(isDmarc) : []
  if (records.length === 0) return []
  const instead = records.map((record) => parseTags(record).get(tag)).find((list) => list)
  if (!instead) return [destination]
  const named = parseDestinations(instead)
  // RFC 9990 §4: it may name another mailbox, not another host.
  const same = named.every((one) => one.kind === 'mail' && one.address.domain.toLowerCase() === host)
  return same ? named.filter((one) => one.kind === 'mail') : []
}

/** `v=DMARC1` comes first, in capitals (RFC 9989 §4.7). */
function isDmarc(record: string): boolean {
  const [first = ''] = record.split(';', 1)
  const at = first.indexOf('=')
  return first.slice(0, at).trim().toLowerCase() === 'v' && first.slice(at + 1).trim() === 'DMARC1'
}
