// The queue for people: what waits and why, and what they want done with it. Tries nothing itself.

import { type Clock, Fault } from '../base/index.ts'
import { classifyText, classWords, findReply } from '../smtp/bounces/index.ts'
import { queueRows, type ReadStore, type Store, type Writer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import { type Mail, type Outcome, showPath, toMail, toRecipient } from './batch.ts'
import { cutHeader, readStart } from './content.ts'
import type { Recorder } from './record.ts'
import type { Scheduler } from './scheduler.ts'
import type { QueueAdmin, QueuedMessage, QueuedRecipient } from './types.ts'

export interface AdminOptions {
  readonly store: Store
  readonly clock: Clock
  readonly recorder: Recorder
  readonly scheduler: Scheduler
  readonly trace?: TraceTx
  readonly wake: () => void
}

/** Who does what is done here, in timelines. */
const by = 'an administrator'
const page = 500
const maxHeader = 65_536

export function createAdmin({ store, clock, recorder, scheduler, trace, wake }: AdminOptions): QueueAdmin {
  const find = async (id: number): Promise<Mail> => {
    const [row] = await store.read((tx) => queueRows.messages(tx, [id]))
    if (!row) throw new Fault('not-found', `there is no message ${id} in the queue`)
    return toMail(row)
  }
  const note = async (tx: Writer, { trace: id }: Mail, kind: 'held' | 'released') =>
    trace?.add(tx, id, { at: clock.now(), kind, by })
  /** First in the store, then in memory: what is read from now on is held. */
  const hold = async ({ id }: Mail, noted?: (tx: Writer) => Promise<void>): Promise<number> => {
    const held = await store.write([], async (tx) => {
      await noted?.(tx)
      return queueRows.hold(tx, id)
    })
    await scheduler.withdraw(({ mail }) => mail.id === id)
    return held
  }
  return {
    async list({ after = 0, limit = 100 } = {}) {
      const rows = await store.read((tx) => queueRows.listMessages(tx, after, Math.min(limit, page)))
      const out: QueuedMessage[] = []
      for (const row of rows) out.push(await describe(store, toMail(row)))
      return out
    },
    async show(id) {
      const mail = await find(id)
      const header = cutHeader(await readStart(store, mail, maxHeader)).toString()
      return { ...(await describe(store, mail)), header }
    },
    async retry(id) {
      if (id !== undefined) await find(id)
      scheduler.forgive()
      let due = 0
      // Pages, so that no statement is long; what was made due is not found again.
      for (let n = page; n === page; due += n)
        n = await store.write([], (tx) => queueRows.makeDue(tx, clock.now(), page, id))
      wake()
      return due
    },
    async hold(id) {
      const mail = await find(id)
      return hold(mail, (tx) => note(tx, mail, 'held'))
    },
    async release(id) {
      const mail = await find(id)
      const freed = await store.write([], async (tx) => {
        await note(tx, mail, 'released')
        return queueRows.release(tx, id, clock.now())
      })
      wake()
      return freed
    },
    async remove(id, { bounce = false } = {}) {
      const mail = await find(id)
      await hold(mail)
      const rows = await recipients(store, id)
      const outcomes = rows.map((row): Outcome => {
        const reason = 'removed from the queue by an administrator'
        return { recipient: toRecipient(row), result: 'fail', status: '5.0.0', reason, by }
      })
      return recorder.remove(mail, outcomes, bounce)
    },
    async stats() {
      const { messages, recipients, held, first } = await store.read(queueRows.counts)
      return {
        messages,
        recipients,
        held,
        oldestDueMs: first === null ? 0 : Math.max(0, clock.now() - first),
        inMemory: scheduler.table.taken.size,
      }
    },
  }
}

async function recipients(store: ReadStore, message: number): Promise<readonly queueRows.RecipientRow[]> {
  const out: queueRows.RecipientRow[] = []
  for (let after = 0; ; ) {
    const rows = await store.read((tx) => queueRows.recipientsOf(tx, message, after, page))
    out.push(...rows)
    if (rows.length < page) return out
    after = rows.at(-1)!.id
  }
}

async function describe(store: ReadStore, mail: Mail): Promise<QueuedMessage> {
  const rows = await recipients(store, mail.id)
  const list = rows.map(
    ({ id, address, state, attempts, next_at, reason }): QueuedRecipient => ({
      id,
      address,
      state,
      attempts,
      nextAt: next_at,
      reason,
      why: why(reason),
    }),
  )
  return { id: mail.id, sender: showPath(mail.sender), size: mail.size, createdAt: mail.arrived, recipients: list }
}

function why(reason: string): string {
  const found = classifyText(reason).class
  return reason === '' || (found === 'unknown' && !isReply(reason)) ? '' : classWords[found].short
}

/** Other reasons than replies are our own words, and say enough. */
const isReply = (reason: string): boolean => findReply(reason) !== undefined
