// Sets of positive integers as sorted, disjoint, inclusive ranges: UIDs in commands, change rows and answers.

export type Range = readonly [from: number, to: number]
export type Ranges = readonly Range[]

/** Ranges of a list of integers in any order; duplicates fold. */
export function toRanges(numbers: Iterable<number>): Ranges {
  const sorted = [...numbers].sort((a, b) => a - b)
  const out: [number, number][] = []
  for (const n of sorted) {
    const last = out[out.length - 1]
    if (last && n <= last[1] + 1) last[1] = Math.max(last[1], n)
    else out.push([n, n])
  }
  return out
}

/** Sorts and joins overlapping or touching ranges; each pair may be given in either order. */
export function normaliseRanges(ranges: Iterable<Range>): Ranges {
  const sorted = [...ranges].map(([a, b]): [number, number] => (a <= b ? [a, b] : [b, a])).sort((a, b) => a[0] - b[0])
  const out: [number, number][] = []
  for (const [from, to] of sorted) {
    const last = out[out.length - 1]
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else out.push([from, to])
  }
  return out
}

/** How many integers the ranges hold. */
export function countRanges(ranges: Ranges): number {
  let n = 0
  for (const [from, to] of ranges) n += to - from + 1
  return n
}

/** Whether `n` is in the (normalised) ranges; logarithmic. */
export function inRanges(ranges: Ranges, n: number): boolean {
  let lo = 0
  let hi = ranges.length - 1
  while (lo <= hi) {
    const mid = (lo + hi) >> 1
    const range = ranges[mid]!
    if (n < range[0]) hi = mid - 1
    else if (n > range[1]) lo = mid + 1
    else return true
  }
  return false
}

/** Every integer of the ranges, ascending. Bound the ranges before iterating: `1:4294967295` is one range. */
export function* eachInRanges(ranges: Ranges): Generator<number> {
  for (const [from, to] of ranges) for (let n = from; n <= to; n++) yield n
}

/** `1:4,7,9:10`; empty string for no ranges. */
export function formatRanges(ranges: Ranges): string {
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}:${to}`)).join(',')
}

/** Reads what formatRanges wrote. */
export function parseRanges(text: string): Ranges {
  if (text === '') return []
  return text.split(',').map((item) => {
    const [from, to = from] = item.split(':')
    return [Number(from), Number(to)] as const
  })
}
