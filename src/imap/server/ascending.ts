// Lists of numbers that ascend, and sets of them as a client writes them. Knows no mailbox.

import type { Range } from '../../base/index.ts'
import type { SequenceSet } from '../wire/index.ts'

/** Ranges in order and joined, `*` as `last`. */
export function normalise(set: SequenceSet, last: number): Range[] {
  const out: [number, number][] = []
  const ordered = set
    .map(([a, b]): [number, number] => {
      const from = Number.isFinite(a) ? a : last
      const to = Number.isFinite(b) ? b : last
      return from <= to ? [from, to] : [to, from]
    })
    .sort((a, b) => a[0] - b[0])
  for (const [from, to] of ordered) {
    const before = out[out.length - 1]
    if (before && from <= before[1] + 1) before[1] = Math.max(before[1], to)
    else out.push([from, to])
  }
  return out
}

/** Both lists as one. */
export function mergeSorted(a: readonly number[], b: readonly number[]): number[] {
  const out: number[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && a[i]! < b[j]!)) out.push(a[i++]!)
    else out.push(b[j++]!)
  }
  return out
}

/** How many of the ascending `numbers` are below `value`. */
export function countBelow(numbers: ArrayLike<number>, value: number): number {
  let lo = 0
  let hi = numbers.length
  while (lo < hi) {
    const mid = (lo + hi) >>> 1
    if (numbers[mid]! < value) lo = mid + 1
    else hi = mid
  }
  return lo
}
