// The job `learn`: reads messages, counts their tokens for the user, and remembers of which it was, so that the same message counts once
// and what is taken back is taken out again. Knows nothing of why.

import type { AccountId, Log } from '../../base/index.ts'
import type { JobMap, RunningJob } from '../../jobs/index.ts'
import { classifierRows, messageRows, type Store, toBuffer, type Writer } from '../../store/index.ts'
import { type Sample, sampleBytes, tokenize } from './tokenize.ts'
import { decodeCounts, emptyModel, encodeCounts, type Learnt, learn, type UserModel, unlearn } from './user-model.ts'

/** Messages of a user of which it is remembered that they were learnt. */
export const mostRemembered = 20_000
/** Messages whose counts are written at once. */
const atOnce = 50

interface Lesson {
  readonly digest: Uint8Array
  readonly tokens: readonly number[]
}

/** Learns of all messages that are still there; returns of how many. */
export async function learnMessages(
  store: Store,
  { account, messages, as }: JobMap['learn'],
  { job, log }: { readonly job?: RunningJob; readonly log: Log },
): Promise<number> {
  let learnt = 0
  for (let at = 0; at < messages.length; at += atOnce) {
    const lessons: Lesson[] = []
    for (const id of messages.slice(at, at + atOnce)) {
      const lesson = await readLesson(store, account, id)
      if (lesson) lessons.push(lesson)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    const last = at + atOnce >= messages.length
    learnt += await store.write(account, async (tx) => {
      const count = await learnAll(tx, account, lessons, as)
      if (last) await job?.done(tx)
      return count
    })
  }
  log.info({ account, as, messages: messages.length, learnt }, 'the spam filter has learnt')
  return learnt
}

/** Undefined when the message, or its file, is gone. */
async function readLesson(store: Store, account: AccountId, id: number): Promise<Lesson | undefined> {
  const row = await store.read((tx) => messageRows.sample(tx, account, id, sampleBytes))
  if (!row) return undefined
  const bytes =
    row.file === null
      ? row.head && toBuffer(row.head)
      : await store.blobs.read(row.file, 0, Math.min(row.size, sampleBytes)).catch(() => undefined)
  if (!bytes) return undefined
  const { singles } = tokenize({ bytes, size: row.size, ...readPrefix(toBuffer(row.prefix)) })
  return { digest: row.hash.subarray(0, 16), tokens: singles }
}

async function learnAll(tx: Writer, account: AccountId, lessons: readonly Lesson[], as: Learnt): Promise<number> {
  if (lessons.length === 0) return 0
  const row = await classifierRows.find(tx, account)
  const model: UserModel = row
    ? { spam: row.spam, ham: row.ham, generation: row.generation, counts: decodeCounts(row.data!) }
    : emptyModel()
  let count = 0
  for (const { digest, tokens } of lessons) {
    const before = await classifierRows.findLearnt(tx, account, digest)
    const was = before && (before.kind === 1 ? 'spam' : 'ham')
    if (was === as) continue
    if (before) unlearn(model, tokens, was!, before.generation)
    const generation = learn(model, tokens, as)
    await classifierRows.putLearnt(tx, account, digest, { kind: as === 'spam' ? 1 : 0, generation })
    count++
  }
  if (count === 0) return 0
  await classifierRows.save(tx, account, { ...model, data: encodeCounts(model) })
  await classifierRows.trimLearnt(tx, account, mostRemembered)
  return count
}

/** What delivery put before a message: who vouched for its sender, and the reverse-path. */
export function readPrefix(prefix: Buffer): Pick<Sample, 'sender' | 'results'> {
  const text = prefix.toString('latin1')
  const sender = between(text, 'Return-Path: <', '>')
  const results = between(text, 'Authentication-Results: ', '\nR')
  return { ...(sender !== undefined && { sender }), ...(results !== undefined && { results }) }
}

function between(text: string, start: string, end: string): string | undefined {
  const at = text.startsWith(start) ? 0 : text.indexOf(`\n${start}`) + 1
  if (at === 0 && !text.startsWith(start)) return undefined
  const stop = text.indexOf(end, at + start.length)
  return text.slice(at + start.length, stop < 0 ? undefined : stop)
}
