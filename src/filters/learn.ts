// What a user's filter has learnt: the job that teaches it, and what the commands ask of it. The filter itself is loaded when it is used.

import { type AccountId, Fault, type Log } from '../base/index.ts'
import { enqueueJob, type JobHandlers } from '../jobs/index.ts'
import { classifierRows, messageRows, type Store, toBuffer, type Writer } from '../store/index.ts'
import type { Filters } from './set.ts'
import type { FilterAnswer, Readable } from './types.ts'

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

export interface LearnParts {
  readonly store: Store
  /** Those outside, of the moment; undefined: there are none. */
  readonly outside: () => Promise<Pick<Filters, 'learn'> | undefined>
  readonly log: Log
}

/** The handlers of the jobs by which filters learn. */
export function learnHandlers({ store, outside, log }: LearnParts): Pick<JobHandlers, 'learn' | 'teach-filters'> {
  return {
    async learn(payload, job) {
      const { learnMessages } = await import('./classifier/learning.ts')
      // A job of its own: who cannot be reached keeps nobody else from learning.
      const also = (await outside())
        ? (tx: Writer) => enqueueJob(tx, 'teach-filters', payload).then(() => {})
        : async () => {}
      const done = async (tx: Writer) => {
        await also(tx)
        await job.done(tx)
      }
      await learnMessages(store, payload, { job: { ...job, done }, log })
    },
    async 'teach-filters'({ account, messages, as }, job) {
      const filters = await outside()
      for (const id of filters ? messages : []) {
        const message = await readMessage(store, account, id)
        if (message) await filters!.learn(as, message)
      }
      await store.write(account, job.done)
    },
  }
}

/** Up to so many bytes stand in the database, whatever is configured. */
const inDatabase = 16 * 1024 * 1024

/** As it came; undefined when it is gone. */
async function readMessage(store: Store, account: AccountId, id: number): Promise<Readable | undefined> {
  const row = await store.read((tx) => messageRows.sample(tx, account, id, inDatabase))
  if (!row) return undefined
  const { size, file, head } = row
  return {
    size,
    async *bytes() {
      if (file === null) yield toBuffer(head!)
      else yield* store.blobs.stream(file)
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
