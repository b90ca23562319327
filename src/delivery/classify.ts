// Asks the built-in spam filter about mail from outside, for each user whom it reaches, in the door's thread. What cannot be told is no spam.

import type { AccountReads, DomainPolicies } from '../accounts/index.ts'
import type { AccountId, Log } from '../base/index.ts'
import type { Classifier, ReadMessage } from '../filters/index.ts'
import type { ReadStore } from '../store/index.ts'
import { isForeign } from './authentication.ts'
import type { OpenMessage } from './open-parts.ts'
import type { Arrival, Envelope } from './types.ts'
import { toRequest } from './verdicts/ask.ts'

export interface ClassifyParts {
  readonly classifier: Pick<Classifier, 'read'>
  readonly accounts: Pick<AccountReads, 'resolve'>
  readonly policies: DomainPolicies
  readonly store: ReadStore
  readonly log: Log
}

/** Users of one message who are asked about: the copies of more go unasked. */
const mostAsked = 200

/** The arrival, with why it goes to the Junk of whom. */
export async function classify(
  parts: ClassifyParts,
  arrival: Arrival,
  envelope: Envelope,
  opened: OpenMessage,
): Promise<Arrival> {
  if (!isForeign(arrival) || arrival.allowed || isDecided(arrival)) return arrival
  try {
    const accounts = await reachedBy(parts, envelope)
    if (accounts.size === 0) return arrival
    const message = await parts.classifier.read(await toRequest(arrival, envelope, opened))
    const spam = new Map<AccountId, string>()
    for (const account of accounts) {
      const reason = await reasonFor(parts, message, account)
      if (reason !== undefined) spam.set(account, reason)
    }
    return spam.size > 0 ? { ...arrival, spam } : arrival
  } catch (error) {
    parts.log.warn({ err: error, id: arrival.traceId }, 'the spam filter could not look at a message')
    return arrival
  }
}

/** Somebody who knows better wants it away already. */
const isDecided = ({ answers = [] }: Arrival): boolean =>
  answers.some(({ action, virus }) => virus !== undefined || (action !== 'accept' && action !== 'tag'))

/** Users in here whom the message reaches. */
async function reachedBy({ accounts }: ClassifyParts, { to }: Envelope): Promise<Set<AccountId>> {
  const reached = new Set<AccountId>()
  for (const { address } of to) {
    const resolution = await accounts.resolve(address)
    if (resolution.kind !== 'local') continue
    for (const { account } of resolution.local) {
      if (reached.size >= mostAsked) return reached
      reached.add(account)
    }
  }
  return reached
}

/** Under this no setting calls anything spam: nobody's settings are read. */
const leastThreshold = 0.5

async function reasonFor(
  { policies, store }: ClassifyParts,
  message: ReadMessage,
  account: AccountId,
): Promise<string | undefined> {
  const first = await message.answerFor(account, leastThreshold)
  if (first.action === 'accept') return undefined
  const policy = await store.read((tx) => policies.ofAccount(tx, account))
  const { classifier = true, spamThreshold = 90 } = policy?.settings ?? {}
  return classifier && (first.score ?? 0) * 100 >= spamThreshold ? first.reasons[0] : undefined
}
