// First step: where each recipient leads now. The door asked before; this is law. Copies are counted once per account and per
// address outside, however many names lead there.

import type { AccountReads, LocalDestination } from '../../accounts/index.ts'
import { type Address, addressKey, formatAddress, type Path, sameAddress } from '../../address/index.ts'
import type { AccountId } from '../../base/index.ts'
import { looksSigned, type NewQueueRecipient, type ReturnedReads } from '../../queue/index.ts'
import { isReportAddress } from '../../reports/index.ts'
import type { Rewriter } from '../forward.ts'
import { checkResolution, checkRewritten } from '../policy.ts'
import type { Unreturnable } from '../srs.ts'
import type { Arrival, Envelope, EnvelopeRecipient, Refusal } from '../types.ts'
import { refuse } from '../verdict.ts'

/** One copy for one account. */
export interface LocalCopy {
  readonly account: AccountId
  /** The address as it was reached. */
  readonly address: Address
  /** The recipient that led to it, when that was another. */
  readonly via?: Address
  readonly params?: EnvelopeRecipient['params']
  /** Recipients of the envelope whose sender wants to hear that this mailbox took the message. */
  readonly asked?: readonly EnvelopeRecipient[]
  /** Header fields that stand above Received: what was thought of the message. */
  readonly fields?: Uint8Array
  /** It is for Junk. */
  readonly junk?: boolean
}

/** Recipients outside that are reached in the same way. */
export interface Outgoing {
  /** The address here that leads to them (an alias, a user who forwards); absent when the sender named them himself. */
  readonly via?: Address
  readonly recipients: NewQueueRecipient[]
  /** The reverse-path under which they get it, when that is not the sender's. */
  readonly sender?: Path
  /** Header lines in front of all others. */
  readonly seal?: Uint8Array
  /** Header lines above Received: what was thought of the message. */
  readonly fields?: Uint8Array
  /** How long it may wait, milliseconds; absent: as all mail. */
  readonly lifetime?: number | undefined
}

/** What one recipient of the envelope came to: refused, or the accounts and the addresses outside behind it. */
export type Expanded =
  | { readonly refusal: Refusal }
  | {
      readonly accounts: readonly AccountId[]
      readonly outside: boolean
      /** A return path of ours, or an address for reports: it is read, whoever else gets it. */
      readonly returned?: boolean
    }

export interface Plan {
  readonly recipients: readonly Expanded[]
  readonly copies: readonly LocalCopy[]
  readonly outgoing: readonly Outgoing[]
  /** Recipients that became several, whose sender asked to be told of success: he hears that, and no more of it. */
  readonly expanded: readonly EnvelopeRecipient[]
  /** Return paths of ours to which it came back. */
  readonly returned: readonly Address[]
  /** It came to an address for reports. */
  readonly reported: boolean
}

export interface ExpandParts {
  readonly accounts: AccountReads
  readonly returned: ReturnedReads
  readonly rewriter: Rewriter
}

export async function expand(
  { accounts, returned, rewriter }: ExpandParts,
  arrival: Arrival,
  envelope: Envelope,
): Promise<Plan> {
  const copies = new Map<AccountId, LocalCopy>()
  const outgoing: Outgoing[] = []
  const outside = new Set<string>()
  const expanded: EnvelopeRecipient[] = []
  const paths: Address[] = []
  let reported = false
  const send = (address: Address, params: EnvelopeRecipient['params'], via?: Address, lifetime?: number) => {
    if (outside.has(addressKey(address))) return
    outside.add(addressKey(address))
    const isWay = (known: Outgoing) =>
      known.lifetime === lifetime && (via && known.via ? sameAddress(known.via, via) : known.via === via)
    let group = outgoing.find(isWay)
    if (!group) outgoing.push((group = { via, lifetime, recipients: [] }))
    group.recipients.push({ address, kind: 'remote', params })
  }
  /** What came back goes to who had sent it, if he is still there. */
  const addReturned = async (address: Address): Promise<Expanded> => {
    const sent = await returned.find(address)
    if (!sent || sent.full) return refuse('unknown-user', `there is no user <${formatAddress(address)}>`)
    if (!paths.some((known) => sameAddress(known, address))) paths.push(address)
    const resolution = sent.pass ? await accounts.resolve(sent.sender) : undefined
    if (resolution?.kind !== 'local') return { accounts: [], outside: false, returned: true }
    for (const destination of resolution.local) addCopy(copies, destination, address, undefined, undefined)
    for (const destination of resolution.remote) send(destination, undefined, sent.sender)
    return {
      accounts: resolution.local.map(({ account }) => account),
      outside: resolution.remote.length > 0,
      returned: true,
    }
  }
  /** A report about a message that was forwarded here goes to who had sent it, though nobody else may relay through us. */
  const addRewritten = async (
    address: Address,
    back: Address | Unreturnable,
    params: EnvelopeRecipient['params'],
  ): Promise<Expanded> => {
    const verdict = checkRewritten(back, envelope.from, address)
    if (!verdict.ok) return verdict
    const sender = back as Address
    const resolution = await accounts.resolve(sender)
    // Since then the domain has become ours, and he is gone.
    if (resolution.kind === 'unknown' || resolution.kind === 'disabled')
      return refuse('unknown-user', `there is no user <${formatAddress(address)}>`)
    const { local = [], remote = [sender] } = resolution.kind === 'local' ? resolution : {}
    for (const destination of local) addCopy(copies, destination, address, params, undefined)
    for (const destination of remote) send(destination, params, address)
    return { accounts: local.map(({ account }) => account), outside: remote.length > 0 }
  }
  const add = async ({ address, params }: EnvelopeRecipient): Promise<Expanded> => {
    if (looksSigned(address) && (await accounts.isLocalDomain(address.domain))) return addReturned(address)
    const back = await rewriter.back(address)
    if (back !== undefined) return addRewritten(address, back, params)
    const resolution = await accounts.resolve(address)
    const verdict = checkResolution(arrival, address, resolution)
    const forReports = isReportAddress(address.local) && (await accounts.isLocalDomain(address.domain))
    reported ||= forReports
    // Nobody has the name: it is read, and that is all.
    if (forReports && resolution.kind === 'unknown') return { accounts: [], outside: false, returned: true }
    if (!verdict.ok) return verdict
    if (resolution.kind !== 'local') {
      send(address, params, undefined, resolution.kind === 'backup' ? resolution.lifetime : undefined)
      return { accounts: [], outside: true }
    }
    const { local, remote } = resolution
    const several = local.length + remote.length > 1
    const asks = params?.notify?.includes('success') ?? false
    if (several && asks) expanded.push({ address, params })
    const passed = several && asks ? withoutSuccess(params) : params
    const asked = asks && !several ? { address, params } : undefined
    for (const destination of local) addCopy(copies, destination, address, passed, asked)
    for (const destination of remote) send(destination, passed, address)
    return { accounts: local.map(({ account }) => account), outside: remote.length > 0 }
  }
  const recipients: Expanded[] = []
  for (const recipient of envelope.to) recipients.push(await add(recipient))
  return { recipients, copies: [...copies.values()], outgoing, expanded, returned: paths, reported }
}

/** RFC 3461 §5.2.7.3: what stands behind a name of several is told of as one, by the report that it was expanded. */
function withoutSuccess(params: EnvelopeRecipient['params']): EnvelopeRecipient['params'] {
  return { ...params, notify: params?.notify?.filter((on) => on !== 'success') ?? [] }
}

function addCopy(
  copies: Map<AccountId, LocalCopy>,
  { account, address }: LocalDestination,
  recipient: Address,
  params: EnvelopeRecipient['params'],
  asked: EnvelopeRecipient | undefined,
): void {
  const known = copies.get(account)
  if (known && !asked) return
  const via = sameAddress(address, recipient) ? {} : { via: recipient }
  const all = asked && { asked: [...(known?.asked ?? []), asked] }
  copies.set(account, { ...(known ?? { account, address, ...via, params }), ...all })
}
