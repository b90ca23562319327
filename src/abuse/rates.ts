// Taking from limits, in a transaction: several at once, all or none. The statement that takes stands in store/rows/abuse-rate.ts.

import { abuseRateRows, type Reader, type Writer } from '../store/index.ts'
import { type LimitKind, limits } from './limits.ts'
import type { Claim, Taken, Usage } from './types.ts'

/** A claim as time: microseconds. */
function toTimes({ kind, amount = 1, count = limits[kind].count }: Claim) {
  const whole = limits[kind].windowMs * 1000
  // Of what may never be had one takes longer than the whole.
  const step = count < 1 ? whole + 1 : Math.max(1, Math.floor(whole / count))
  return { whole, step, cost: step * amount }
}

/** Takes every claim or, when one has not enough, none. `now`: milliseconds since 1970. */
export async function takeAll(tx: Writer, claims: readonly Claim[], now: number): Promise<Taken> {
  const at = Math.round(now * 1000)
  const taken: (Claim & { readonly cost: number })[] = []
  // In one order: two that take the same limits wait for one another, never each for the other.
  const ordered = claims.toSorted((a, b) => (a.kind + a.subject < b.kind + b.subject ? -1 : 1))
  for (const claim of ordered) {
    const { kind, subject } = claim
    const times = toTimes(claim)
    const { cost, whole, step } = times
    if ((await abuseRateRows.take(tx, { kind, subject, now: at, ...times })) === undefined) {
      // Not by an error: an error takes back what others wrote in the same turn.
      for (const one of taken) await abuseRateRows.giveBack(tx, one.kind, one.subject, one.cost)
      const used = usedOf(await abuseRateRows.find(tx, kind, subject), at, whole)
      const retryMs = Math.ceil(Math.min(whole, Math.max(1000, used * step + cost - whole)) / 1000)
      return { ok: false, kind, retryMs }
    }
    taken.push({ ...claim, cost })
  }
  return { ok: true }
}

/**
 * Counts one failure of a kind, and whether it was the last that the limit allows: then the count begins anew.
 * What is beyond the limit is not counted.
 */
export async function countFailure(tx: Writer, kind: LimitKind, subject: string, now: number): Promise<boolean> {
  const at = Math.round(now * 1000)
  const times = toTimes({ kind, subject })
  const tat = await abuseRateRows.take(tx, { kind, subject, now: at, ...times })
  if (tat !== undefined && tat + times.cost <= at + times.whole) return false
  await abuseRateRows.clear(tx, kind, subject)
  return true
}

/** How much of the limit is used now. */
export async function usageOf(
  tx: Reader,
  kind: LimitKind,
  subject: string,
  now: number,
  count: number = limits[kind].count,
): Promise<Usage> {
  const { what, windowMs } = limits[kind]
  const row = await abuseRateRows.find(tx, kind, subject)
  const used = Math.ceil(usedOf(row, now * 1000, windowMs * 1000))
  return { kind, what, subject, count, windowMs, used, ...(row && used > 0 && { wholeAt: Math.ceil(row.tat / 1000) }) }
}

/** How many were taken and have not come back. */
function usedOf(row: abuseRateRows.RateRow | undefined, at: number, whole: number): number {
  const debt = (row?.tat ?? 0) - at
  return row && debt > 0 && debt <= whole ? debt / row.step : 0
}
