// What is thought of an address by what came from it: a factor on its limits. Pure.

import { abuseHistoryRows } from '../store/index.ts'
import { leastFactor, mostFactor } from './limits.ts'
import type { Deeds } from './types.ts'

const dayMs = 86_400_000

export const toDay = (now: number): number => Math.floor(now / dayMs)

/** With so many good recipients, or two bad ones, a stranger is one no more. */
const stranger = 20
/** A good server has some old addresses on its lists; a bad one has mostly bad ones. */
const weight = 10

/** 1 for a stranger; 4 after 60 recipients who were there and wanted it, 0.25 after 6 who were not. */
export function toFactor({ good, bad }: Deeds): number {
  const factor = (good + stranger) / (stranger + weight * bad)
  return Math.min(mostFactor, Math.max(leastFactor, Math.round(factor * 100) / 100))
}

/** What is left of a history today. */
export function toDeeds(row: abuseHistoryRows.HistoryRow | undefined, now: number): Deeds {
  if (!row) return { good: 0, bad: 0 }
  const days = toDay(now) - row.day
  return { good: abuseHistoryRows.faded(row.good, days), bad: abuseHistoryRows.faded(row.bad, days) }
}
