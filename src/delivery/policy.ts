// What a door must ask before it takes a message: may this sender, may this recipient, is there room. Reads only, in the door's thread.

import type { AccountReads, Resolution } from '../accounts/index.ts'
import { type Address, formatAddress, type Path } from '../address/index.ts'
import type { AccountId } from '../base/index.ts'
import type { Verifier } from '../mailauth/index.ts'
import { looksSigned, type ReturnedReads, type SuppressionReads, suppressedWords } from '../queue/index.ts'
import { isReportAddress } from '../reports/index.ts'
import type { Blobs } from '../store/index.ts'
import { authenticate } from './authentication.ts'
import { checkHeader, type HeaderParts } from './check-header.ts'
import { type ClassifyParts, classify } from './classify.ts'
import type { Rewriter } from './forward.ts'
import { type ObservingParts, observe } from './observe.ts'
import { openOnce } from './open-parts.ts'
import { type ScreeningParts, screenContent, screenRecipient } from './screening.ts'
import { type SigningParts, signMail } from './signing.ts'
import type { Unreturnable } from './srs.ts'
import type { Arrival, DeliveryChecks, RecipientVerdict } from './types.ts'
import { accepted, refuse } from './verdict.ts'
import { askFilters, type FilteringParts } from './verdicts/ask.ts'

export interface DeliveryLimits {
  /** Bytes of one message. */
  readonly maxMessageSize: number
  /** Nothing is taken while fewer bytes than this are free on the disk. */
  readonly minFreeBytes: number
}

export interface DeliveryChecksParts extends HeaderParts {
  readonly accounts: AccountReads
  readonly suppressions: SuppressionReads
  readonly returned: ReturnedReads
  readonly rewriter: Rewriter
  /** Where a message waits while it is checked. */
  readonly blobs: Pick<Blobs, 'read' | 'stream'>
  readonly limits: DeliveryLimits
  /** Bytes free where messages are kept; measured elsewhere from time to time, so that asking costs nothing. */
  readonly freeBytes: () => number
  /** Absent: nobody is asked who he is. */
  readonly verifier?: Verifier
  /** Absent: nothing is counted for reports on DMARC. */
  readonly observing?: ObservingParts
  /** Absent: nobody is asked whether it is spam. */
  readonly classification?: ClassifyParts
  /** Absent: nothing is signed. */
  readonly signing?: SigningParts
  /** Absent: no filter is asked. */
  readonly filtering?: FilteringParts
  /** Absent: nobody has a list, and nothing is greylisted. */
  readonly screening?: ScreeningParts
}

export function createDeliveryChecks(parts: DeliveryChecksParts): DeliveryChecks {
  const {
    accounts,
    suppressions,
    limits,
    freeBytes,
    blobs,
    verifier,
    screening,
    observing,
    filtering,
    classification,
    signing,
  } = parts
  return {
    async sender(arrival, from, declaredSize) {
      if (freeBytes() < limits.minFreeBytes) return refuse('disk-full', 'not enough disk space; try again later')
      if (declaredSize > limits.maxMessageSize)
        return refuse('too-large', `messages may have at most ${limits.maxMessageSize} bytes`)
      return checkSender(accounts, arrival, from)
    },
    async recipient(arrival, from, to, declaredSize) {
      if (looksSigned(to) && (await accounts.isLocalDomain(to.domain))) return checkReturned(parts.returned, from, to)
      const back = await parts.rewriter.back(to)
      if (back !== undefined) return checkRewritten(back, from, to)
      const resolution = await accounts.resolve(to)
      const verdict = checkResolution(arrival, to, resolution)
      if (resolution.kind === 'unknown' && isReportAddress(to.local) && (await accounts.isLocalDomain(to.domain)))
        return accepted
      if (!verdict.ok) return verdict
      const screened = screening && (await screenRecipient(screening, arrival, from, to, resolution))
      if (screened && !screened.ok) return screened
      if (resolution.kind === 'backup') return accepted
      if (resolution.kind !== 'local') return isWanted(suppressions, from, to)
      return hasRoom(accounts, resolution, declaredSize)
    },
    header: (arrival, envelope, header) => checkHeader(parts, arrival, envelope, header),
    async content(arrival, envelope, content) {
      const message = openOnce(blobs, content)
      const known = verifier ? await authenticate(verifier, arrival, envelope, message) : arrival
      const screened = screening ? await screenContent(screening, known, envelope) : { arrival: known }
      if ('refusal' in screened) return screened
      // What has to come again is counted then.
      if (observing) await observe(observing, screened.arrival, envelope, message)
      const checked = filtering ? await askFilters(filtering, screened.arrival, envelope, message) : screened
      if ('refusal' in checked) return checked
      const signature = signing && (await signMail(signing, arrival, message))
      const classified = classification
        ? await classify(classification, checked.arrival, envelope, message)
        : checked.arrival
      return { arrival: signature === undefined ? classified : { ...classified, signature } }
    },
  }
}

/** A user who signed in may use only his own addresses, from a trusted network too. The null path is free: receipts of MUAs use it (RFC 8098 §3). */
async function checkSender(accounts: AccountReads, arrival: Arrival, from: Path): Promise<RecipientVerdict> {
  if (arrival.account === undefined || from === null || (await accounts.owns(arrival.account, from))) return accepted
  return refuse('sender-denied', `you may not send as <${formatAddress(from)}>`)
}

/** Whether this client may send to the world and not only to us. */
export function mayRelay({ account, trusted, kind }: Arrival): boolean {
  return kind === 'internal' || (kind !== 'lmtp' && (account !== undefined || trusted === true))
}

/** The verdict on a recipient that leads there; quota apart. */
export function checkResolution(arrival: Arrival, to: Address, { kind }: Resolution): RecipientVerdict {
  const text = formatAddress(to)
  if (kind === 'local' || kind === 'backup') return accepted
  if (kind === 'unknown') return refuse('unknown-user', `there is no user <${text}>`)
  if (kind === 'disabled') return refuse('disabled-user', `<${text}> takes no mail`)
  return mayRelay(arrival) ? accepted : refuse('relay-denied', `relaying to <${text}> is not allowed`)
}

/** Names under which servers write that do not use the null sender for their reports, as they should (RFC 5321 §4.5.5). */
const reporters: ReadonlySet<string> = new Set(['mailer-daemon', 'postmaster', 'mail-daemon', 'daemon'])

const isReporter = (from: Path): boolean => from === null || reporters.has(from.local.toLowerCase())

const reportsOnly = refuse('reports-only', 'this address takes only reports of mail servers, with the null sender')

/** A signed return path takes what this server has sent back, and from those alone who report. */
async function checkReturned(returned: ReturnedReads, from: Path, to: Address): Promise<RecipientVerdict> {
  const sent = await returned.find(to)
  if (!sent) return refuse('unknown-user', `there is no user <${formatAddress(to)}>`)
  if (sent.full) return refuse('reports-only', 'more reports on one message than there can be')
  return isReporter(from) ? accepted : reportsOnly
}

/** A rewritten sender takes what belongs to a message that was forwarded here, and from those alone who report. */
export function checkRewritten(back: Address | Unreturnable, from: Path, to: Address): RecipientVerdict {
  if (back === 'expired') return refuse('unknown-user', `<${formatAddress(to)}> was for reports and has expired`)
  if (back === 'forged') return refuse('unknown-user', `there is no user <${formatAddress(to)}>`)
  return isReporter(from) ? accepted : reportsOnly
}

/** An address outside that the sender's domain does not write to any more: who sends hears it at once. */
async function isWanted(suppressions: SuppressionReads, from: Path, to: Address): Promise<RecipientVerdict> {
  for (const entry of (await suppressions.of(from, [to])).values()) return refuse('suppressed', suppressedWords(entry))
  return accepted
}

/** Refused only when nobody behind the address could take the message: the others' copies wait in the queue. */
async function hasRoom(
  accounts: AccountReads,
  { local, remote }: Extract<Resolution, { kind: 'local' }>,
  size: number,
): Promise<RecipientVerdict> {
  if (remote.length > 0) return accepted
  // A long list is not worth asking for one by one.
  const asked: readonly { readonly account: AccountId }[] = local.slice(0, 20)
  for (const { account } of asked) if (await accounts.hasRoom(account, size)) return accepted
  return local.length > asked.length ? accepted : refuse('over-quota', 'the mailbox is full')
}
