// Asks the filters about a message when all of it is there, in the door's thread, and makes one answer of theirs for all its recipients.
// Knows no filter and no setting.

import { formatAddress } from '../address/index.ts'
import { isLoopback, type Log } from '../base/index.ts'
import type { FilterAction, FilterRequest, FilterResult, Filters } from '../filters/index.ts'
import type { NewContent } from '../mail/index.ts'
import type { Blobs } from '../store/index.ts'
import { startsHere } from './check-header.ts'
import { openParts } from './open-parts.ts'
import type { Arrival, CheckedContent, DeliveryChecks, Envelope } from './types.ts'
import { refuse } from './verdict.ts'

export interface FilteringParts {
  /** Undefined: nobody is asked. */
  filters(): Promise<Filters | undefined>
  readonly blobs: Pick<Blobs, 'read' | 'stream'>
  readonly log: Log
}

/** These checks, and when they have let a message through the filters. */
export function withFilters(checks: DeliveryChecks, parts: FilteringParts): DeliveryChecks {
  return {
    ...checks,
    async content(arrival, envelope, content) {
      const checked = await checks.content(arrival, envelope, content)
      return 'refusal' in checked ? checked : filterContent(parts, checked.arrival, envelope, content)
    },
  }
}

async function filterContent(
  parts: FilteringParts,
  arrival: Arrival,
  envelope: Envelope,
  content: NewContent,
): Promise<CheckedContent> {
  // Our own reports, and what a server in front has taken already, are not refused any more.
  if (arrival.kind === 'internal' || arrival.kind === 'lmtp') return { arrival }
  const filters = await parts.filters()
  if (!filters) return { arrival }
  const results = await filters.ask(await toRequest(parts, arrival, envelope, content))
  for (const { filter, answer, ms, failure } of results) {
    const { action, reasons } = answer
    parts.log.debug({ id: arrival.traceId, filter, action, reasons, ms, ...(failure && { failure }) }, 'filtered')
  }
  return toChecked(arrival, results)
}

async function toRequest(
  { blobs }: FilteringParts,
  arrival: Arrival,
  { from, to }: Envelope,
  content: NewContent,
): Promise<FilterRequest> {
  const { traceId: trace, clientIp: ip, clientName, helo, account, user, tls, verification } = arrival
  const { header, body } = await openParts(blobs, content)
  const ptr = verification?.iprev.name ?? clientName
  return {
    trace,
    ip,
    ...(ptr !== undefined && { ptr }),
    helo,
    ...(tls && { tls }),
    from: from === null ? '' : formatAddress(from),
    to: to.map(({ address }) => formatAddress(address)),
    ...(account !== undefined && { account: user ?? String(account) }),
    inside: startsHere(arrival) || isLoopback(ip),
    header,
    size: content.size,
    async *bytes() {
      yield header
      const rest = body()
      if (rest instanceof Uint8Array) yield rest
      else yield* rest
    },
    ...(verification && { verification }),
  }
}

/** A reply line has 512 bytes (RFC 5321 §4.5.3.1.5). */
const maxWords = 300

/** Mild to severe: who wants a message refused for good is heard before who wants it later. */
const order: readonly FilterAction[] = ['accept', 'tag', 'junk', 'quarantine', 'defer', 'reject']

function toChecked(arrival: Arrival, results: readonly FilterResult[]): CheckedContent {
  const said = results.map(({ filter, answer }) => ({ filter, ...answer }))
  const worst = said.toSorted((a, b) => order.indexOf(b.action) - order.indexOf(a.action))[0]
  if (!worst) return { arrival }
  const words = (worst.reasons[0] ?? worst.filter).slice(0, maxWords)
  if (worst.action === 'reject') return refuse('filtered', words)
  if (worst.action === 'defer') return refuse('filtered-later', words)
  const filtered = {
    header: said.flatMap(({ headers = [] }) => headers.map(({ name, value }) => `${name}: ${value}\r\n`)).join(''),
    notes: said.flatMap(({ filter, reasons }) => reasons.map((words) => ({ by: filter, words }))),
  }
  const junk = arrival.junk ?? (worst.action === 'accept' || worst.action === 'tag' ? undefined : words)
  return { arrival: { ...arrival, filtered, ...(junk !== undefined && { junk }) } }
}
