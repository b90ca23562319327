// What a user's filter has learnt: the job that teaches it, and what the commands ask of it. The filter itself is loaded when it is used.

import { type AccountId, Fault, type Log } from '../base/index.ts'
import type { JobHandlers } from '../jobs/index.ts'
import { classifierRows, type Store } from '../store/index.ts'
import type { FilterAnswer } from './types.ts'

export interface SpamTest extends FilterAnswer {
  /** What counted most; above zero for spam. */
  readonly tokens: readonly { readonly token: string; readonly weight: number }[]
}

export interface SpamStats {
  /** Messages learnt of which it is remembered. */
  readonly spam: number
  readonly ham: number
  /** Tokens that are counted. */
  readonly tokens: number
  /** Enough is known to be sure. */
  readonly known: boolean
  /** Milliseconds; absent: nothing was learnt. */
  readonly changedAt?: number
}

/** What the commands ask; over the control socket. */
export interface SpamAdmin {
  /** `message`: the beginning of a message, base64; as it came, or as a mailbox shows it. */
  test(message: string, size: number, account?: AccountId): Promise<SpamTest>
  stats(account: AccountId): Promise<SpamStats>
  /** Forgets all that was learnt of a user. */
  forget(account: AccountId): Promise<void>
}

/** The handler of the job `learn`. */
export function learnHandlers({
  store,
  log,
}: {
  readonly store: Store
  readonly log: Log
}): Pick<JobHandlers, 'learn'> {
  return {
    async learn(payload, job) {
      const { learnMessages } = await import('./classifier/learning.ts')
      await learnMessages(store, payload, { job, log })
    },
  }
}

export function createSpamAdmin({ store, hostname }: { readonly store: Store; readonly hostname: string }): SpamAdmin {
  return {
    async test(message, size, account) {
      const bytes = Buffer.from(message, 'base64')
      if (bytes.length === 0) throw new Fault('invalid', 'the message is empty')
      const { testMessage } = await import('./classifier/test-message.ts')
      return testMessage({ store, hostname, bytes, size, account })
    },
    async stats(account) {
      const { isKnown } = await import('./classifier/score.ts')
      const { decodeCounts } = await import('./classifier/user-model.ts')
      const [model, counts] = await store.read(
        async (tx) => [await classifierRows.find(tx, account), await classifierRows.countLearnt(tx, account)] as const,
      )
      const of = (kind: number) => Number(counts.find((one) => Number(one.kind) === kind)?.count ?? 0)
      if (!model) return { spam: 0, ham: 0, tokens: 0, known: false }
      const decoded = decodeCounts(model.data!)
      const known = isKnown({ ...model, counts: decoded })
      return { spam: of(1), ham: of(0), tokens: decoded.size, known, changedAt: model.changedAt }
    },
    forget: (account) => forgetLearnt(store, account),
  }
}

/** Takes away what was learnt of an account, page by page. May be called again. */
export async function forgetLearnt(store: Store, account: AccountId): Promise<void> {
  while ((await store.write(account, (tx) => classifierRows.forget(tx, account))) > 0);
}
