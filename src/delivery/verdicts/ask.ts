// Asks the filters what they think of a message, when all of it is there and its sender is known. In the door's thread; decides nothing,
// and knows no filter.

import { formatAddress } from '../../address/index.ts'
import { isLoopback, type Log } from '../../base/index.ts'
import { type FilterRequest, type Filters, formatHeaders } from '../../filters/index.ts'
import { startsHere } from '../check-header.ts'
import type { OpenMessage } from '../open-parts.ts'
import type { Arrival, CheckedContent, Envelope } from '../types.ts'
import { refuse } from '../verdict.ts'
import { boundAnswers } from './findings.ts'

export interface FilteringParts {
  /** Those of the moment; undefined: nobody is asked. */
  filters(): Promise<Pick<Filters, 'ask'> | undefined>
  readonly log: Log
}

/** The arrival with the filters' answers. */
export async function askFilters(
  parts: FilteringParts,
  arrival: Arrival,
  envelope: Envelope,
  message: OpenMessage,
): Promise<CheckedContent> {
  // Our own reports, and what a server in front has taken already, are not refused any more.
  if (arrival.kind === 'internal' || arrival.kind === 'lmtp') return { arrival }
  const filters = await parts.filters()
  if (!filters) return { arrival }
  try {
    const request = await toRequest(arrival, envelope, message)
    const results = await filters.ask(request)
    for (const { filter, answer, ms, failure } of results) {
      const { action, reasons } = answer
      parts.log.debug({ id: arrival.traceId, filter, action, reasons, ms, ...(failure && { failure }) }, 'filtered')
    }
    const answers = boundAnswers(
      results.map(({ filter, answer, failure }) => ({
        by: filter,
        ...answer,
        ...(failure !== undefined && { failed: true }),
      })),
    )
    if (answers.length === 0) return { arrival }
    if (!request.inside) return { arrival: { ...arrival, answers } }
    // What starts here carries the filters' fields wherever it goes, and not the verdict's.
    const fields = formatHeaders(answers.flatMap(({ headers = [] }) => headers))
    return { arrival: { ...arrival, fields, answers: answers.map(({ headers: _, ...answer }) => answer) } }
  } catch (error) {
    // What nobody has looked at is not let in, and not lost: its sender keeps it.
    parts.log.error({ err: error, id: arrival.traceId }, 'the filters could not be asked')
    return refuse('try-later', 'the message could not be checked now; try again later')
  }
}

/** The message as filters and the classifier see it. */
export async function toRequest(
  arrival: Arrival,
  { from, to }: Pick<Envelope, 'from' | 'to'>,
  { size, open }: OpenMessage,
): Promise<FilterRequest> {
  const { traceId: trace, clientIp: ip, clientName, helo, account, user, tls, verification } = arrival
  const { header, body } = await open()
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
    size,
    async *bytes() {
      yield header
      const rest = body()
      if (rest instanceof Uint8Array) yield rest
      else yield* rest
    },
    ...(verification && { verification }),
  }
}
