// Asks filters about one message: all lanes at once, the filters of a lane one after the other, each within its own time and all within
// one. What a filter cannot say is what its configuration says for that. Knows no filter.

import { type Clock, Fault, isFault, type Log } from '../base/index.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { formatHeaders } from './headers.ts'
import { createSlots, type Slots } from './slots.ts'
import type { Filter, FilterAnswer, FilterHeader, FilterRequest, FilterResult, Lesson, Readable } from './types.ts'

export interface AskOptions {
  /** How long the filter has for one message. */
  readonly timeoutMs: number
  /** What holds when it cannot answer. */
  readonly onFailure: 'accept' | 'tempfail'
  /** Messages that it looks at in one time, at the most. */
  readonly connections: number
  /** Messages larger than this it is not asked about. */
  readonly maxSize: number
  /** Whether it is asked about mail that users and machines of the operator hand in. */
  readonly inside: boolean
}

/** A filter with what guards it. */
export interface Guarded {
  readonly filter: Filter
  readonly options: AskOptions
  readonly breaker: Breaker
  readonly slots: Slots
}

export interface AskParts {
  readonly clock: Clock
  readonly log: Log
}

export function guard(filter: Filter, options: AskOptions, parts: AskParts): Guarded {
  return { filter, options, breaker: createBreaker(filter.name, parts), slots: createSlots(options.connections) }
}

/** All filters together have this long for one message: less than a client waits for the answer to its final dot (RFC 5321 §4.5.3.2.6). */
export const deadlineMs = 120_000

/** The answers in the order of the lanes. Rejects only with the reason of `signal`: then nobody wants to know any more. */
export async function ask(
  parts: AskParts,
  lanes: readonly (readonly Guarded[])[],
  request: FilterRequest,
  signal?: AbortSignal,
): Promise<readonly FilterResult[]> {
  const whole = startTimer(parts.clock, deadlineMs, signal)
  try {
    const results = await Promise.all(lanes.map((lane) => askLane(parts, lane, request, whole.signal)))
    signal?.throwIfAborted()
    return results.flat()
  } finally {
    whole.cancel()
  }
}

/** Each sees what those before it put on top of the message; who sends it away is the last. */
async function askLane(
  parts: AskParts,
  lane: readonly Guarded[],
  request: FilterRequest,
  signal: AbortSignal,
): Promise<readonly FilterResult[]> {
  const results: FilterResult[] = []
  let seen = request
  for (const guarded of lane) {
    if (request.inside && !guarded.options.inside) continue
    const result = await askOne(parts, guarded, seen, signal)
    results.push(result)
    const { action, headers = [] } = result.answer
    if (action === 'reject' || action === 'defer') break
    if (headers.length > 0) seen = withHeaders(seen, headers)
  }
  return results
}

async function askOne(
  parts: AskParts,
  guarded: Guarded,
  request: FilterRequest,
  signal: AbortSignal,
): Promise<FilterResult> {
  const { filter, options } = guarded
  const started = parts.clock.monotonic()
  const result = (answer: FilterAnswer, failure?: string): FilterResult => ({
    filter: filter.name,
    answer,
    ms: Math.round(parts.clock.monotonic() - started),
    ...(failure !== undefined && { failure }),
  })
  if (request.size > options.maxSize) return result(unasked(filter.name, request.size, options.maxSize))
  try {
    return result(await guarding(parts, guarded, signal, (own) => filter.check(request, own)))
  } catch (error) {
    if (!isFault(error) && !signal.aborted) parts.log.error({ err: error, filter: filter.name }, 'a filter failed')
    const failure = isFault(error) ? error.message : 'it failed'
    const action = options.onFailure === 'tempfail' ? 'defer' : 'accept'
    return result({ action, reasons: [`${filter.name} could not be asked: ${failure}`] }, failure)
  }
}

/** Teaches one filter, guarded like its questions. Undefined: it does not learn, or not messages of this size. */
export async function teach(
  parts: AskParts,
  guarded: Guarded,
  lesson: Lesson,
  message: Readable,
): Promise<'learned' | 'known' | undefined> {
  const { filter, options } = guarded
  if (!filter.learn || message.size > options.maxSize) return undefined
  const whole = startTimer(parts.clock, deadlineMs)
  try {
    return await guarding(parts, guarded, whole.signal, (own) => filter.learn!(lesson, message, own))
  } finally {
    whole.cancel()
  }
}

/** Runs one exchange with a filter: a few at a time, within its time, and not while it does not answer. Rejects with a Fault. */
async function guarding<T>(
  { clock }: AskParts,
  { options, breaker, slots }: Guarded,
  whole: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  assertAnswers(breaker)
  const release = await slots.take(whole)
  try {
    // Who waited may have waited for one that does not answer.
    assertAnswers(breaker)
    breaker.begin()
    return await within(clock, options.timeoutMs, whole, run).then(
      (done) => {
        breaker.done()
        return done
      },
      (error: unknown) => {
        if (whole.aborted) breaker.leave()
        else breaker.done(blame(error))
        throw error
      },
    )
  } finally {
    release()
  }
}

/** A filter that says why it will not is one that answers. */
function blame(error: unknown): string | undefined {
  if (!isFault(error)) return 'it failed'
  return error.code === 'invalid' ? undefined : error.message
}

function assertAnswers(breaker: Breaker): void {
  const why = breaker.refuses()
  if (why !== undefined) throw new Fault('unavailable', why)
}

interface Timer {
  readonly signal: AbortSignal
  cancel(): void
}

/** A signal after `ms`, or when `outer` says so. */
function startTimer(clock: Clock, ms: number, outer?: AbortSignal): Timer {
  const controller = new AbortController()
  const stop = () => controller.abort(outer!.reason)
  if (outer?.aborted) stop()
  outer?.addEventListener('abort', stop, { once: true })
  const cancel = clock.after(ms, () => controller.abort(new Fault('unavailable', `no answer within ${ms / 1_000} s`)))
  return {
    signal: controller.signal,
    cancel() {
      cancel()
      outer?.removeEventListener('abort', stop)
    },
  }
}

/** `run` is left alone when its time is up, whether it heeds the signal or not. */
async function within<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timer = startTimer(clock, ms, outer)
  try {
    return await new Promise<T>((resolve, reject) => {
      const stop = () => reject(timer.signal.reason)
      if (timer.signal.aborted) return stop()
      timer.signal.addEventListener('abort', stop, { once: true })
      run(timer.signal).then(resolve, reject)
    })
  } finally {
    timer.cancel()
  }
}

/** A limit of the configuration, told and not a failure. */
function unasked(name: string, size: number, limit: number): FilterAnswer {
  return { action: 'accept', reasons: [`${name} was not asked: ${size} bytes are more than its ${limit}`] }
}

/** The message with these fields on top. */
function withHeaders(request: FilterRequest, headers: readonly FilterHeader[]): FilterRequest {
  const added = Buffer.from(formatHeaders(headers))
  const header = Buffer.concat([added, request.header])
  return {
    ...request,
    header,
    size: request.size + added.length,
    async *bytes() {
      yield added
      yield* request.bytes()
    },
  }
}
