// What the recipients' lists and greylisting say of mail from outside, asked in the door's thread.

import type { ListReads, ListVerdict } from '../abuse/index.ts'
import type { AccountReads, Resolution } from '../accounts/index.ts'
import { type Address, formatAddress, type Path } from '../address/index.ts'
import { isLoopback, type Log } from '../base/index.ts'
import type { Greylist } from '../filters/index.ts'
import { looksSigned } from '../queue/index.ts'
import type { Arrival, CheckedContent, Envelope, RecipientVerdict } from './types.ts'
import { accepted, refuse } from './verdict.ts'

export interface ScreeningParts {
  readonly lists: ListReads
  /** Asked last, and only of mail that no list lets in. */
  readonly greylist: Greylist
  readonly accounts: Pick<AccountReads, 'resolve'>
  readonly log: Log
}

/** Mail that users here hand in is nobody's business but theirs. */
const isFromOutside = ({ kind, account }: Arrival): boolean =>
  (kind === 'mx' || kind === 'lmtp') && account === undefined

/** Lists of networks speak of who connected, and not of this machine or a trusted relay, which only brings it. */
const listedIp = ({ kind, trusted, clientIp }: Arrival): string | undefined =>
  kind === 'lmtp' || trusted || isLoopback(clientIp) ? undefined : clientIp

async function judge(
  { lists }: ScreeningParts,
  arrival: Arrival,
  from: Path,
  to: Address,
  resolution: Resolution,
): Promise<ListVerdict | undefined> {
  const accounts = resolution.kind === 'local' ? resolution.local.map(({ account }) => account) : []
  const ip = listedIp(arrival)
  return lists.judge({ ...(ip !== undefined && { ip }), from, to, accounts })
}

/** Whether a list keeps the sender from this recipient. */
export async function screenRecipient(
  parts: ScreeningParts,
  arrival: Arrival,
  from: Path,
  to: Address,
  resolution: Resolution,
): Promise<RecipientVerdict> {
  if (!isFromOutside(arrival) || resolution.kind === 'remote') return accepted
  const verdict = await judge(parts, arrival, from, to, resolution)
  if (verdict?.action !== 'block') return accepted
  return refuse('blocked', `<${formatAddress(to)}> takes no mail from ${verdict.value}`)
}

/** The message is there: whether a list lets it in without further questions, or it is to come again. */
export async function screenContent(
  parts: ScreeningParts,
  arrival: Arrival,
  envelope: Envelope,
): Promise<CheckedContent> {
  if (!isFromOutside(arrival)) return { arrival }
  if (await isAllowed(parts, arrival, envelope)) return { arrival: { ...arrival, allowed: true } }
  // What its author's domain wants refused has nothing to gain by waiting.
  const { verification, clientIp: ip } = arrival
  if (!verification || (verification.dmarc.result === 'fail' && verification.dmarc.policy === 'reject'))
    return { arrival }
  // A report on what was sent from here is no stranger's mail: its address was signed by us.
  const { from, to } = envelope
  if (to.every(({ address }) => looksSigned(address))) return { arrival }
  try {
    const addresses = to.map(({ address }) => formatAddress(address))
    const { action, reasons } = await parts.greylist.check({
      ip,
      from: from === null ? '' : formatAddress(from),
      to: addresses,
      verification,
    })
    return action === 'defer' ? refuse('greylisted', reasons.join('; ')) : { arrival }
  } catch (error) {
    parts.log.error({ err: error, id: arrival.traceId }, 'greylisting failed: the message goes on without')
    return { arrival }
  }
}

/** One recipient who wants the sender's mail is enough. */
async function isAllowed(parts: ScreeningParts, arrival: Arrival, { from, to }: Envelope): Promise<boolean> {
  if (!(await parts.lists.any())) return false
  for (const { address } of to) {
    const verdict = await judge(parts, arrival, from, address, await parts.accounts.resolve(address))
    if (verdict?.action === 'allow') return true
  }
  return false
}
