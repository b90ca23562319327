// Follows the changes of an account from a cursor: backlog, then the bell. The log is the truth, the bell only latency.

import { type AccountId, type Clock, parseRanges, type Ranges } from '../base/index.ts'
import { type ChangeNote, changeRows, type Reader, type ReadStore } from '../store/index.ts'

/** A lost ring costs at most so much. */
const pollMs = 5_000
const pageRows = 500

export interface Change {
  readonly account: AccountId
  readonly modseq: number
  readonly kind: ChangeNote['kind']
  readonly container: number
  readonly what: ChangeNote['what']
  readonly ids: Ranges
}

/** `cursor` is where to go on: keep it after the page has been dealt with. `startOver`: the log does not reach back; read everything anew. */
export interface ChangePage {
  readonly cursor: number
  readonly startOver: boolean
  readonly changes: readonly Change[]
}

export interface FollowOptions {
  readonly store: ReadStore
  readonly account: AccountId
  /** The modseq up to which everything is known. */
  readonly from: number
  readonly clock: Clock
  readonly signal?: AbortSignal
}

/** Pages of changes, whole transactions each, in commit order. Ends when the account is gone or the signal comes. */
export async function* follow({ store, account, from, clock, signal }: FollowOptions): AsyncGenerator<ChangePage> {
  const alarm = createAlarm(clock)
  signal?.addEventListener('abort', alarm.ring)
  const stopHearing = store.bell.on((ring) => {
    if ('account' in ring && ring.account === account) alarm.ring()
  })
  try {
    for (let cursor = from; !signal?.aborted; ) {
      alarm.reset()
      const page = await store.read((tx) => readPage(tx, account, cursor))
      if (!page) return
      if (page.startOver || page.changes.length > 0) yield page
      else await alarm.wait()
      cursor = page.cursor
    }
  } finally {
    stopHearing()
    signal?.removeEventListener('abort', alarm.ring)
  }
}

/** The changes after `cursor`, whole transactions; without one only where they end now. Undefined when there is no such account. */
export async function readPage(tx: Reader, account: AccountId, cursor?: number): Promise<ChangePage | undefined> {
  const state = await changeRows.changeState(tx, account)
  if (!state) return undefined
  if (cursor === undefined) return { cursor: state.modseq, startOver: false, changes: [] }
  if (cursor < state.floor) return { cursor: state.modseq, startOver: true, changes: [] }
  const rows = await readWhole(tx, account, cursor)
  const changes = rows.map(({ ids, ...row }) => ({ ...row, account, ids: parseRanges(ids) }))
  const last = rows.at(-1)
  return { cursor: last ? last.modseq : Math.max(cursor, state.modseq), startOver: false, changes }
}

/** A page of rows that ends where a transaction ends. */
async function readWhole(tx: Reader, account: AccountId, cursor: number): Promise<changeRows.ChangeRow[]> {
  const rows = await changeRows.changesAfter(tx, account, cursor, pageRows)
  const last = rows.at(-1)
  if (!last || rows.length < pageRows) return rows
  const whole = rows.filter(({ modseq }) => modseq < last.modseq)
  return whole.length > 0 ? whole : changeRows.changesAt(tx, account, last.modseq)
}

/** Waits for a ring or the next poll, whichever is first; a ring before the wait counts. */
function createAlarm(clock: Clock) {
  let rung = false
  let wake = () => {}
  return {
    ring() {
      rung = true
      wake()
    },
    reset() {
      rung = false
    },
    async wait(): Promise<void> {
      if (rung) return
      await new Promise<void>((resolve) => {
        const cancel = clock.after(pollMs, resolve)
        wake = () => {
          cancel()
          resolve()
        }
      })
    },
  }
}
