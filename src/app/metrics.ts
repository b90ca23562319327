// Figures for Prometheus: counters of the doors, gauges of the queue, the store's write times, and Node's own by prom-client.

import type { Clock } from '../base/index.ts'
import type { Tallied } from '../queue/index.ts'
import type { Store } from '../store/index.ts'

/** Counters of one door thread: numbers, or numbers by label. */
export type Counters = Readonly<Record<string, number | Readonly<Record<string, number>>>>
/** What one thread of doors has counted, by door: `smtp`, `imap`, `pop3`. */
export type DoorCounters = Readonly<Record<string, Counters>>

export interface CoreFigures {
  readonly queue: Readonly<Record<string, number>>
  /** What attempts of the queue came to. */
  readonly attempts: readonly Tallied[]
  readonly writes: Histogram
  /** Undefined when there is no search index. */
  readonly searchLag?: number | undefined
  readonly certificates: readonly { readonly name: string; readonly source: string; readonly daysLeft?: number }[]
  /** Of every thread of doors. */
  readonly doors: readonly DoorCounters[]
}

/** Durations in seconds, counted in buckets. */
export interface Histogram {
  /** Counts of values at most `bounds[i]`, not cumulated; the last one is for everything larger. */
  readonly counts: readonly number[]
  readonly sum: number
}
export const bounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5] as const

/** The store with every write timed, from the call to stable storage. */
export function timeWrites(store: Store, clock: Clock): { store: Store; writes: () => Histogram } {
  const counts = Array<number>(bounds.length + 1).fill(0)
  let sum = 0
  const note = (began: number) => {
    const seconds = (clock.monotonic() - began) / 1000
    sum += seconds
    const at = bounds.findIndex((bound) => seconds <= bound)
    counts[at < 0 ? bounds.length : at]!++
  }
  const timed: Store = {
    ...store,
    write(scope, work, options) {
      const began = clock.monotonic()
      const done = store.write(scope, work, options)
      done.then(
        () => note(began),
        () => note(began),
      )
      return done
    },
  }
  return { store: timed, writes: () => ({ counts: [...counts], sum }) }
}

/** Everything in Prometheus' text format. */
export async function formatMetrics(figures: CoreFigures, version: string): Promise<string> {
  const lines = [
    ...family('posthorn_info', 'gauge', 'Which version runs.', [[{ version }, 1]]),
    ...doorLines(figures.doors),
    ...Object.entries(figures.queue).flatMap(([name, value]) =>
      family(`posthorn_queue_${snake(name)}`, 'gauge', queueHelp[name] ?? name, [[{}, value]]),
    ),
    ...family(
      'posthorn_queue_attempts_total',
      'counter',
      'Recipients tried, by what came of it and the class of the refusal.',
      figures.attempts.map(({ result, class: kind, count }) => [{ result, class: kind }, count]),
    ),
    ...(figures.searchLag === undefined
      ? []
      : family('posthorn_search_lag', 'gauge', 'Contents and messages that are not yet in the search index.', [
          [{}, figures.searchLag],
        ])),
    ...family(
      'posthorn_certificate_days_left',
      'gauge',
      'Whole days until a certificate ends.',
      figures.certificates.flatMap(({ name, source, daysLeft }) =>
        daysLeft === undefined ? [] : [[{ name, source }, daysLeft]],
      ),
    ),
    ...histogramLines('posthorn_store_write_seconds', 'From the call of a write to stable storage.', figures.writes),
  ]
  return `${lines.join('\n')}\n${await processMetrics()}`
}

const queueHelp: Readonly<Record<string, string>> = {
  messages: 'Messages in the queue.',
  recipients: 'Recipients in the queue.',
  held: 'Recipients held by an administrator.',
  waiting: 'Recipients that wait for their next attempt.',
  ready: 'Recipients whose turn comes as soon as there is room.',
  inMemory: 'Recipients in memory: next in turn, being tried, or tried and not written down yet.',
  active: 'Messages being tried.',
  lanes: 'Lanes with mail in memory: a destination from one pool of source addresses each.',
  sites: 'Next hops of which something is remembered, by source address.',
  sitesDead: 'Next hops that are left alone for a while because they take no connection.',
  oldestDueMs: 'For how long the oldest due recipient has waited, milliseconds.',
}

/** What goes down as well. */
const gauges: ReadonlySet<string> = new Set([
  'smtp open',
  'pop3 connections',
  'pop3 authenticated',
  'imap connections',
  'imap authenticated',
  'imap views',
])

function doorLines(threads: readonly DoorCounters[]): string[] {
  const total = new Map<string, { plain: number; labelled: Map<string, number> }>()
  for (const thread of threads)
    for (const [door, counters] of Object.entries(thread))
      for (const [name, value] of Object.entries(counters)) {
        const key = `${door} ${name}`
        const sum = total.get(key) ?? { plain: 0, labelled: new Map() }
        total.set(key, sum)
        if (typeof value === 'number') sum.plain += value
        else for (const [label, n] of Object.entries(value)) sum.labelled.set(label, (sum.labelled.get(label) ?? 0) + n)
      }
  return [...total].flatMap(([key, { plain, labelled }]) => {
    const [door = '', name = ''] = key.split(' ')
    const type = gauges.has(key) ? 'gauge' : 'counter'
    const samples: Sample[] = labelled.size > 0 ? [...labelled].map(([what, n]) => [{ what }, n]) : [[{}, plain]]
    const full = `posthorn_${door}_${snake(name)}${type === 'counter' ? '_total' : ''}`
    return family(full, type, `${door.toUpperCase()}: ${snake(name).replaceAll('_', ' ')}.`, samples)
  })
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

function family(name: string, type: string, help: string, samples: readonly Sample[]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([labels, value]) => sample(name, labels, value)),
  ]
}

function sample(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const text = Object.entries(labels).map(([key, label]) => `${key}="${label.replace(/[\\"\n]/g, '_')}"`)
  return `${name}${text.length > 0 ? `{${text.join(',')}}` : ''} ${value}`
}

function histogramLines(name: string, help: string, { counts, sum }: Histogram): string[] {
  let below = 0
  const buckets = counts.map((count, i) => {
    below += count
    return sample(`${name}_bucket`, { le: i < bounds.length ? `${bounds[i]}` : '+Inf' }, below)
  })
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...buckets,
    `${name}_sum ${sum}`,
    `${name}_count ${below}`,
  ]
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

let registry: Promise<{ metrics(): Promise<string> }> | undefined
/** Memory, CPU, descriptors and event loop of the process; loaded when somebody asks. */
function processMetrics(): Promise<string> {
  registry ??= import('prom-client').then(({ default: { collectDefaultMetrics, Registry } }) => {
    const own = new Registry()
    collectDefaultMetrics({ register: own })
    return own
  })
  return registry.then((own) => own.metrics())
}
