// Mail that starts here is signed for its author's domain, in the door's thread, when the whole message is there.

import type { DkimKeys } from '../accounts/index.ts'
import { toAscii } from '../address/index.ts'
import type { Clock, Log } from '../base/index.ts'
import type { NewContent } from '../mail/index.ts'
import { fieldValue, parseAddressList, parseFields } from '../mime/index.ts'
import type { Blobs } from '../store/index.ts'
import { startsHere } from './check-header.ts'
import { openParts } from './open-parts.ts'
import type { Arrival } from './types.ts'

export interface SigningParts {
  readonly keys: DkimKeys
  readonly blobs: Pick<Blobs, 'read' | 'stream'>
  readonly clock: Clock
  readonly log: Log
}

/** The signatures for the top of the message; undefined when its author's domain has no keys here. What fails is logged and not signed. */
export async function signMail(
  parts: SigningParts,
  arrival: Arrival,
  content: NewContent,
): Promise<string | undefined> {
  if (!startsHere(arrival)) return undefined
  const { keys, blobs, clock, log } = parts
  try {
    if (!(await keys.any())) return undefined
    const { header, body } = await openParts(blobs, content)
    const domain = authorDomain(header)
    const found = domain === undefined ? [] : await keys.of(domain)
    if (found.length === 0) return undefined
    const { signDkim } = await import('../mailauth/index.ts')
    return await signDkim({ header, body: body() }, found, Math.floor(clock.now() / 1_000))
  } catch (error) {
    log.error({ err: error, id: arrival.traceId }, 'a message was not signed')
    return undefined
  }
}

/** Of the first author; several are of one domain, or nobody can vouch for all of them. */
function authorDomain(header: Buffer): string | undefined {
  const from = parseFields(header).find(({ name }) => name.toLowerCase() === 'from')
  if (!from) return undefined
  const domains = new Set(
    parseAddressList(fieldValue(header, from)).flatMap(({ domain }) => (domain ? [toAscii(domain) ?? ''] : [])),
  )
  return domains.size === 1 ? [...domains][0] : undefined
}
