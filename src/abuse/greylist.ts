// Greylisting in the core: who is asked to come again, and who came. A message of several recipients passes as a whole.

import type { AccountReads } from '../accounts/index.ts'
import { type Address, addressKey, parseAddress } from '../address/index.ts'
import type { AccountId } from '../base/index.ts'
import { acquaintanceRows, greylistRows, type Store, type Writer } from '../store/index.ts'
import { greylistMs } from './limits.ts'
import { toServers } from './networks.ts'
import type { GreylistAnswer, GreylistQuestion } from './types.ts'

/** Recipients of one message that are noted: one that comes again lets all through. */
const notedRecipients = 10
/** Recipients whose acquaintances are asked for. */
const askedRecipients = 20
const touchMs = 86_400_000

export interface GreylistParts {
  readonly store: Store
  readonly accounts: Pick<AccountReads, 'resolve'>
}

export function createGreylist({ store, accounts }: GreylistParts) {
  return async (question: GreylistQuestion): Promise<GreylistAnswer> => {
    const sender = parseAddress(question.from)
    const to = question.to.map(parseAddress).filter((one) => one !== undefined)
    const known = sender && (await isCorrespondent(store, await ownersOf(accounts, to), sender))
    if (known) return { pass: true, why: 'the recipient has written to the sender' }
    const network = toServers(question.ip)
    const delay = question.delayMs ?? greylistMs.delay
    const what = {
      network,
      sender: sender?.domain ?? '',
      recipients: to.slice(0, notedRecipients).map(addressKey),
      delay,
    }
    return store.write([], (tx) => meet(tx, what), { durable: false })
  }
}

async function ownersOf(accounts: GreylistParts['accounts'], to: readonly Address[]): Promise<AccountId[]> {
  const owners: AccountId[] = []
  for (const address of to.slice(0, askedRecipients)) {
    const found = await accounts.resolve(address)
    if (found.kind === 'local') owners.push(...found.local.slice(0, askedRecipients).map(({ account }) => account))
  }
  return owners
}

async function isCorrespondent(store: Store, owners: readonly AccountId[], sender: Address): Promise<boolean> {
  if (owners.length === 0) return false
  return store.read((tx) => acquaintanceRows.knowsCorrespondent(tx, owners, addressKey(sender)))
}

interface Meeting {
  readonly network: string
  /** The sender's domain: who varies his local part each time is the same sender. */
  readonly sender: string
  readonly recipients: readonly string[]
  readonly delay: number
}

async function meet(tx: Writer, { network, sender, recipients, delay }: Meeting): Promise<GreylistAnswer> {
  const { now } = tx
  const passed = await greylistRows.lastPassed(tx, network, now - greylistMs.known)
  if (passed !== undefined) {
    if (now - passed > touchMs) await greylistRows.touch(tx, network, now)
    return { pass: true, why: 'its network has come again before' }
  }
  const since = now - greylistMs.window
  const waiting = await greylistRows.waiting(tx, network, sender, recipients)
  const inTime = waiting.filter(({ first_at }) => first_at >= since && first_at <= now)
  const first = inTime.reduce((least, { first_at }) => Math.min(least, first_at), now)
  if (inTime.length > 0 && now - first >= delay) {
    await greylistRows.pass(tx, network, sender, recipients, now)
    return { pass: true, why: `it came again after ${Math.round((now - first) / 1000)} s` }
  }
  for (const recipient of recipients) await greylistRows.put(tx, { network, sender, recipient }, now, since)
  return { pass: false, waitMs: delay - (now - first) }
}
