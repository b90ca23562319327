// Asks the filters what they think of a message, when all of it is there and its sender is known. In the door's thread; decides nothing.

import { formatAddress } from '../../address/index.ts'
import type { Clock, Log } from '../../base/index.ts'
import type { FilterRequest } from '../../filters/index.ts'
import type { NewContent } from '../../mail/index.ts'
import type { Blobs } from '../../store/index.ts'
import { isForeign } from '../authentication.ts'
import { openParts } from '../open-parts.ts'
import type { Arrival, CheckedContent, Envelope } from '../types.ts'
import { refuse } from '../verdict.ts'
import { boundAnswers, type NamedAnswer } from './findings.ts'

export interface FilteringParts {
  /**
   * All configured filters at once, one answer each. A filter that fails, or has not answered when `signal` aborts, is answered for as its
   * configuration says.
   */
  readonly ask: (request: FilterRequest, signal: AbortSignal) => Promise<readonly NamedAnswer[]>
  /** Mail of users, of machines that may relay and of this one is asked about too; the request has no `verification` then. */
  readonly outgoing?: boolean
  /** For all filters together. */
  readonly timeoutMs: number
  readonly blobs: Pick<Blobs, 'read' | 'stream'>
  readonly clock: Clock
  readonly log: Log
}

/** What is waited for answers that should be there already. */
const graceMs = 2_000

/** The arrival with the filters' answers. */
export async function askFilters(
  parts: FilteringParts,
  arrival: Arrival,
  envelope: Envelope,
  content: NewContent,
): Promise<CheckedContent> {
  // Our own reports, and what a server in front has taken already, are not refused any more.
  if (arrival.kind === 'internal' || arrival.kind === 'lmtp') return { arrival }
  if (!isForeign(arrival) && parts.outgoing !== true) return { arrival }
  try {
    const request = await toRequest(parts, arrival, envelope, content)
    const answers = boundAnswers(await inTime(parts, (signal) => parts.ask(request, signal)))
    return answers.length === 0 ? { arrival } : { arrival: { ...arrival, answers } }
  } catch (error) {
    // What nobody has looked at is not let in, and not lost: its sender keeps it.
    parts.log.error({ err: error, id: arrival.traceId }, 'the filters could not be asked')
    return refuse('try-later', 'the message could not be checked now; try again later')
  }
}

async function toRequest(
  { blobs }: FilteringParts,
  arrival: Arrival,
  { from, to }: Envelope,
  content: NewContent,
): Promise<FilterRequest> {
  const { traceId: trace, clientIp: ip, helo, user, verification } = arrival
  const ptr = verification?.iprev.result === 'pass' ? verification.iprev.name : undefined
  const { header } = await openParts(blobs, content)
  return {
    trace,
    ip,
    helo,
    ...(ptr !== undefined && { ptr }),
    from: from === null ? '' : formatAddress(from),
    to: to.map(({ address }) => formatAddress(address)),
    ...(user !== undefined && { account: user }),
    header,
    size: content.size,
    bytes: () => readWhole(blobs, content),
    ...(verification && { verification }),
  }
}

async function* readWhole(blobs: FilteringParts['blobs'], { bytes, file }: NewContent): AsyncGenerator<Uint8Array> {
  if (bytes) yield bytes
  else yield* blobs.stream(file!)
}

/** Aborts the signal when the time is up; rejects when there is no answer a moment later either. */
async function inTime<T>({ clock, timeoutMs }: FilteringParts, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(timeoutMs, () => {
      controller.abort(new Error('the time for filters is up'))
      cancel = clock.after(graceMs, () => reject(new Error('the filters did not answer in time')))
    })
  })
  try {
    return await Promise.race([ask(controller.signal), late])
  } finally {
    cancel()
  }
}
