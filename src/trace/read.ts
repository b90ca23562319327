// Timelines for people and for the web app: found by id, queue id, Message-ID or address, the newest first, a page at a time.

import type { AccountReads } from '../accounts/index.ts'
import { addressKey, parseAddress } from '../address/index.ts'
import type { Clock } from '../base/index.ts'
import { messageId as readMessageId } from '../mime/index.ts'
import { queueRows, type Reader, type ReadStore, traceRows } from '../store/index.ts'
import { timeOfTraceId } from './id.ts'
import { accountKey, addressToKey, idKey, messageIdKey, queueKey } from './keys.ts'
import { searchPage } from './segments.ts'
import { count } from './state.ts'
import type { Standing, Timeline, TraceEvent, TraceFact, TraceReads } from './types.ts'
import { type Head, shownAddresses } from './write.ts'

export interface TraceReadsParts {
  readonly store: ReadStore
  readonly accounts: Pick<AccountReads, 'findUser'>
  readonly clock: Clock
  /** Milliseconds that timelines are kept. */
  readonly keep: () => number
}

const usualLimit = 20
const maxLimit = 200
/** Rows of one statement. */
const page = 1_000
/** Timelines of one statement. */
const readAtOnce = 50
const newest = Number.MAX_SAFE_INTEGER

export function createTraceReads({ store, accounts, clock, keep }: TraceReadsParts): TraceReads {
  /** Under which keys to look. */
  const toKeys = async (what: string): Promise<readonly number[]> => {
    const text = what.trim()
    const lower = text.toLowerCase()
    if (timeOfTraceId(lower) !== undefined) return [idKey(lower)]
    if (isNumber(text)) return [queueKey(Number(text))]
    const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text
    const keys = new Set<number>()
    const id = readMessageId(`<${bare}>`)
    if (id !== undefined) keys.add(messageIdKey(id))
    const address = parseAddress(bare)
    if (address) {
      keys.add(addressToKey(address))
      const user = await accounts.findUser(addressKey(address))
      if (user) keys.add(accountKey(user.id))
    }
    return [...keys]
  }

  return {
    async find(what, { since = 0, limit = usualLimit, after } = {}) {
      const wanted = Math.min(Math.max(1, Math.floor(limit)), maxLimit)
      const keys = await toKeys(what)
      const oldest = Math.max(since, clock.now() - keep())
      const found: Numbered[] = []
      let before: number | undefined = toNumber(after) ?? newest
      while (keys.length > 0 && before !== undefined && found.length <= wanted) {
        const from: number = before
        before = await store.read(async (tx) => {
          const { numbers, next } = await searchPage(tx, keys, from, oldest)
          for (let at = 0; at < numbers.length && found.length <= wanted; at += readAtOnce)
            found.push(...(await readTimelines(tx, numbers.slice(at, at + readAtOnce), oldest)))
          return next
        })
      }
      const timelines = found.slice(0, wanted).map(({ timeline }) => timeline)
      return found.length > wanted ? { timelines, next: `${found[wanted - 1]!.n}` } : { timelines }
    },
  }
}

const toNumber = (text: string | undefined): number | undefined =>
  text !== undefined && isNumber(text) ? Number(text) : undefined

interface Numbered {
  readonly n: number
  readonly timeline: Timeline
}

/** The timelines of these numbers in their order; those that are gone or older are left out. */
async function readTimelines(tx: Reader, numbers: readonly number[], oldest: number): Promise<Numbered[]> {
  if (numbers.length === 0) return []
  const rows = await traceRows.byNumbers(tx, numbers)
  const later = await readEvents(
    tx,
    rows.map(({ id }) => id),
  )
  const order = new Map(numbers.map((n, i) => [n, i]))
  const found = rows
    .toSorted((a, b) => order.get(a.n)! - order.get(b.n)!)
    .map(({ n, id, data, at }) => ({ n, timeline: toTimeline(id, at, JSON.parse(data), later.get(id) ?? []) }))
    .filter(({ timeline }) => timeline.at >= oldest)
  const standing = await readStanding(
    tx,
    found.map(({ timeline }) => timeline),
  )
  return found.map(({ n, timeline }) => ({
    n,
    timeline: { ...timeline, standing: (standing.get(timeline.id) ?? []).map(toStanding) },
  }))
}

/** What the queue has of these messages now, by the id of the timeline. */
async function readStanding(tx: Reader, timelines: readonly Bare[]): Promise<Map<string, queueRows.StandingRow[]>> {
  const queued = timelines.flatMap(({ events }) =>
    events.flatMap((event) => (event.kind === 'queued' ? [event.queue] : [])),
  )
  const rows = queued.length === 0 ? [] : await queueRows.standing(tx, queued.slice(0, page), shownAddresses)
  return Map.groupBy(rows, ({ trace }) => trace)
}

function toStanding({ address, message, state, attempts, next_at, reason }: queueRows.StandingRow): Standing {
  return {
    to: address,
    queue: message,
    state: state === 'claimed' ? 'ready' : state,
    attempts,
    ...(state === 'waiting' && { next: next_at }),
    reason,
  }
}

async function readEvents(tx: Reader, ids: readonly string[]): Promise<Map<string, TraceEvent[]>> {
  const events = new Map<string, TraceEvent[]>()
  for (let left = [...ids].sort(); left.length > 0; ) {
    const rows = await traceRows.eventsOf(tx, left, page)
    const cut = rows.length === page ? rows.at(-1)!.trace : undefined
    // A timeline that the page has cut is read again from its beginning, unless it alone is a page long: then that is what is shown.
    const whole = cut === undefined || rows[0]!.trace === cut ? rows : rows.filter(({ trace }) => trace !== cut)
    for (const { trace, at, data } of whole) {
      const event: TraceEvent = { at, ...(JSON.parse(data) as TraceFact) }
      const list = events.get(trace)
      if (list) list.push(event)
      else events.set(trace, [event])
    }
    const last = whole.at(-1)?.trace
    left = cut === undefined || last === undefined ? [] : left.filter((id) => id > last)
  }
  return events
}

/** As it is written down. */
type Bare = Omit<Timeline, 'standing'>

function toTimeline(id: string, written: number, head: Head, later: readonly TraceEvent[]): Bare {
  const { origin, from = '', to, recipients = to.length, messageId, size } = head
  const events = [...head.events, ...later]
  return {
    id,
    at: timeOfTraceId(id) ?? written,
    origin,
    from,
    to,
    recipients,
    ...(messageId === undefined ? {} : { messageId }),
    ...(size === undefined ? {} : { size }),
    states: count(to, events),
    events,
  }
}

function isNumber(text: string): boolean {
  if (text.length === 0 || text.length > 15) return false
  for (const c of text) if (c < '0' || c > '9') return false
  return true
}
