// Puts off all ready mail of a lane that cannot be sent now, a page at a time and without an attempt each: every recipient keeps
// his own schedule, his delay notice and his end.

import type { Clock, RecipientId } from '../base/index.ts'
import { queueLaneRows, queueRows, type Store } from '../store/index.ts'
import { type Mail, type Outcome, type Recipient, toMail, toRecipient } from './batch.ts'
import type { Lane } from './lane.ts'
import type { Recorder } from './record.ts'
import type { LaneTable } from './table.ts'

export interface PutOffOptions {
  readonly store: Store
  readonly clock: Clock
  readonly table: LaneTable
  readonly recorder: Recorder
}

export interface Cause {
  readonly reason: string
  readonly status: string
  /** Not tried for so many milliseconds. */
  readonly waitMs: number
}

interface Entry {
  readonly mail: Mail
  readonly recipient: Recipient
}

const page = 500

/** Resolves when the lane has nothing ready any more. */
export function putOffLane(options: PutOffOptions, lane: Lane, cause: Cause): Promise<void> {
  return drainLane(options, lane, (entries) => putOff(options, entries, cause))
}

/** Holds all ready mail of a lane for a rule. */
export function holdLane(options: PutOffOptions, lane: Lane, rule: number, reason: string): Promise<void> {
  const { store, recorder } = options
  return drainLane(options, lane, async (entries) => {
    const ids = entries.map(({ recipient }) => recipient.id)
    await recorder.persist(() => store.write([], (tx) => queueLaneRows.holdFor(tx, ids, rule, reason)))
  })
}

/** What is in memory first, then page by page what the index holds. */
async function drainLane(
  { store, table, recorder }: PutOffOptions,
  lane: Lane,
  work: (entries: readonly Entry[]) => Promise<void>,
): Promise<void> {
  const batches = table.takeAll(lane, () => true)
  const known = batches.flatMap(({ mail, recipients }) => recipients.map((recipient) => ({ mail, recipient })))
  for (const { recipient } of known) table.taken.add(recipient.id)
  const next = () => {
    // Who puts mail into the lane from now on says so again.
    lane.more = false
    return recorder.persist(() => nextPage(store, table, lane))
  }
  for (let entries = known.length > 0 ? known : await next(); entries && entries.length > 0; entries = await next()) {
    for (const { recipient } of entries) table.taken.add(recipient.id)
    await work(entries)
    for (const { recipient } of entries) table.taken.delete(recipient.id)
  }
  for (const { mail } of batches) await recorder.drop(mail)
}

/** On PostgreSQL they are claimed: another node may be about to do the same. */
async function nextPage(store: Store, table: LaneTable, lane: Lane): Promise<readonly Entry[]> {
  const rows =
    store.dialect === 'postgres'
      ? await store.write([], (tx) => queueLaneRows.claimReady(tx, lane.name, store.incarnation, page), {
          durable: false,
        })
      : await readFresh(store, table, lane)
  const ids = [...new Set(rows.map(({ message }) => message))]
  const found = await store.read((tx) => queueRows.messages(tx, ids))
  const mails = new Map(found.map((row) => [row.id, toMail(row)]))
  return rows.flatMap((row) => {
    const mail = mails.get(row.message)
    return mail ? [{ mail, recipient: toRecipient(row) }] : []
  })
}

/** What is being tried is not put off. */
async function readFresh(store: Store, table: LaneTable, lane: Lane): Promise<readonly queueLaneRows.ReadyRow[]> {
  for (let after: queueLaneRows.PlaceRow | undefined; ; ) {
    const rows = await store.read((tx) => queueLaneRows.readyAfter(tx, lane.name, after, page))
    const fresh = rows.filter(({ id }) => !table.taken.has(id))
    if (fresh.length > 0 || rows.length < page) return fresh
    after = rows.at(-1)
  }
}

async function putOff(
  { store, clock, recorder }: PutOffOptions,
  entries: readonly Entry[],
  { reason, status, waitMs }: Cause,
): Promise<void> {
  const until = clock.now() + waitMs
  const quiet: [RecipientId, number][] = []
  const loud = new Map<Mail, Outcome[]>()
  for (const { mail, recipient } of entries) {
    const outcome: Outcome = { recipient, result: 'retry', status, reason }
    const planned = recorder.plan(mail, outcome)
    if (planned) quiet.push([recipient.id, Math.min(Math.max(planned.nextAt, until), planned.end)])
    else loud.set(mail, [...(loud.get(mail) ?? []), outcome])
  }
  // Not urgent: after a crash they are ready again.
  if (quiet.length > 0)
    await recorder.persist(() => store.write([], (tx) => queueLaneRows.putOff(tx, quiet, reason), { durable: false }))
  await Promise.all(
    [...loud].map(([mail, outcomes]) => {
      recorder.open(mail)
      return recorder.settle(mail, outcomes)
    }),
  )
}
