// Mail that starts here is signed for its author's domain: in the door's thread, when the whole message is there; what the house writes itself
// when it is posted.

import type { DkimKeys } from '../accounts/index.ts'
import { toAscii } from '../address/index.ts'
import type { Clock, Log } from '../base/index.ts'
import { fieldValue, parseAddressList, parseFields } from '../mime/index.ts'
import { startsHere } from './check-header.ts'
import type { MessageParts, OpenMessage } from './open-parts.ts'
import type { Arrival } from './types.ts'

export interface SigningParts {
  readonly keys: DkimKeys
  readonly clock: Clock
  readonly log: Log
}

/** The signatures for the top of the message; undefined when its author's domain has no keys here. What fails is logged and not signed. */
export async function signMail(
  parts: SigningParts,
  arrival: Arrival,
  message: OpenMessage,
): Promise<string | undefined> {
  if (!startsHere(arrival)) return undefined
  return sign(parts, arrival, message.open, ownKeys)
}

/**
 * The same of what the house writes itself. Its author is the server, whose name is seldom a domain of its own: keys of a domain above it
 * sign for it, as DMARC's relaxed alignment takes them (RFC 9989 §4.4.1).
 */
export function signHouseMail(parts: SigningParts, arrival: Arrival, bytes: Buffer): Promise<string | undefined> {
  const end = bytes.indexOf('\r\n\r\n')
  const split = end < 0 ? bytes.length : end + 4
  const opened = { header: bytes.subarray(0, split), body: () => bytes.subarray(split) }
  return sign(parts, arrival, async () => opened, nearestKeys)
}

type FindKeys = (keys: DkimKeys, domain: string) => ReturnType<DkimKeys['of']>

const ownKeys: FindKeys = (keys, domain) => keys.of(domain)

const nearestKeys: FindKeys = async (keys, domain) => {
  const labels = domain.split('.')
  for (let i = 0; i < labels.length - 1; i++) {
    const found = await keys.of(labels.slice(i).join('.'))
    if (found.length > 0) return found
  }
  return []
}

async function sign(
  { keys, clock, log }: SigningParts,
  arrival: Arrival,
  open: () => Promise<MessageParts>,
  find: FindKeys,
): Promise<string | undefined> {
  try {
    if (!(await keys.any())) return undefined
    const { header, body } = await open()
    const domain = authorDomain(header)
    const found = domain === undefined ? [] : await find(keys, domain)
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
