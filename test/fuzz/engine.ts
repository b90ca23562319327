// The mutation engine: makes inputs from seeds, runs a target on them, says what broke. Knows no parser.

/** A parser under fuzz. Add one: a file in `targets/` that exports it as `target`; it is found by its folder. */
export interface Target {
  /** Word for `npm run fuzz <name>`; crash files go to `test/corpus/<name>/crash-*`. */
  readonly name: string
  /** Source files whose line coverage is reported, relative to the project, no globs; a folder counts all its files. */
  readonly files: readonly string[]
  /** Valid and invalid inputs to start from. */
  seeds(): readonly Buffer[]
  /** Words of the grammar that mutation inserts. */
  readonly tokens: readonly string[]
  /** Parses, and checks what must hold. Throws what the parser may not throw and what does not hold; allowed errors are caught inside. */
  run(input: Buffer): void | Promise<void>
}

export const MAX_INPUT = 64 * 1024
/** An input of at most MAX_INPUT may take this long. */
export const MAX_MS = 1000

export type Random = (below: number) => number

/** Mulberry32: the same seed gives the same run. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

type Mutation = (input: Buffer, random: Random, target: Target, pool: readonly Buffer[]) => Buffer

const splice = (input: Buffer, at: number, remove: number, insert: Buffer) =>
  Buffer.concat([input.subarray(0, at), insert, input.subarray(Math.min(at + remove, input.length))])

const interesting = [0, 9, 10, 13, 32, 34, 40, 41, 45, 46, 58, 59, 60, 61, 62, 63, 64, 92, 127, 128, 195, 255]

const mutations: readonly Mutation[] = [
  (input, random) => {
    const out = Buffer.from(input)
    for (let n = 1 + random(4); n > 0 && out.length > 0; n--) out[random(out.length)]! ^= 1 << random(8)
    return out
  },
  (input, random) => {
    const out = Buffer.from(input)
    for (let n = 1 + random(4); n > 0 && out.length > 0; n--)
      out[random(out.length)] = interesting[random(interesting.length)]!
    return out
  },
  (input, random) => splice(input, random(input.length + 1), 1 + random(16), Buffer.alloc(0)),
  (input, random) => input.subarray(0, random(input.length + 1)),
  (input, random) => input.subarray(random(input.length + 1)),
  (input, random, target) => {
    const token = target.tokens[random(target.tokens.length)] ?? '\r\n'
    return splice(input, random(input.length + 1), random(3) === 0 ? token.length : 0, Buffer.from(token))
  },
  (input, random, _target, pool) => {
    const other = pool[random(pool.length)]!
    const from = random(other.length + 1)
    return splice(input, random(input.length + 1), random(64), other.subarray(from, from + random(512)))
  },
  (input, random) => {
    const from = random(input.length + 1)
    const piece = input.subarray(from, from + 1 + random(40))
    const times = random(4) === 0 ? Math.floor(MAX_INPUT / Math.max(piece.length, 1)) : 2 + random(60)
    return splice(input, from, 0, Buffer.concat(Array.from({ length: times }, () => piece)))
  },
  (input, random, target) => {
    const token = Buffer.from(target.tokens[random(target.tokens.length)] ?? '(')
    return splice(
      input,
      random(input.length + 1),
      0,
      Buffer.alloc(1 + random(random(8) === 0 ? MAX_INPUT : 2000), token),
    )
  },
]

/** A new input of at most MAX_INPUT bytes from one of the pool. */
export function mutate(target: Target, pool: readonly Buffer[], random: Random): Buffer {
  let input = pool[random(pool.length)]!
  for (let n = 1 + random(4); n > 0; n--) input = mutations[random(mutations.length)]!(input, random, target, pool)
  return input.subarray(0, MAX_INPUT)
}

/** Runs one input: what broke, or undefined. */
export async function attempt(target: Target, input: Buffer): Promise<Error | undefined> {
  // What other processes take of the machine is no fault of the target.
  const start = process.threadCpuUsage()
  try {
    await target.run(input)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
  const { user, system } = process.threadCpuUsage(start)
  const ms = (user + system) / 1000
  return ms > MAX_MS ? new Error(`${input.length} bytes took ${Math.round(ms)} ms`) : undefined
}
