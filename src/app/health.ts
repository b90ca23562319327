// Whether the server can do its work: disk, store, queue (asked in the core) and the core itself (asked by the doors).

import { access, constants, mkdir } from 'node:fs/promises'
import { type Clock, Fault } from '../base/index.ts'
import type { Health, HealthPart } from '../http/server/index.ts'
import { metaRows, type Store } from '../store/index.ts'
import { ConfigError } from './config/error.ts'
import { systemWords } from './system-words.ts'

/** The probe writes to the disk: however often one asks, it is written once in this time. */
const probeEveryMs = 1000
const probeTimeoutMs = 5000
const coreTimeoutMs = 2000

export interface HealthParts {
  readonly store: Pick<Store, 'write' | 'blobs'>
  readonly queue: { stalled(): string | undefined }
  /** Bytes; may change. */
  readonly minimumFree: () => number
  /** What somebody should see to, by name; no failure. Absent: nothing. */
  readonly remarks?: () => Promise<Readonly<Record<string, string>>>
  readonly clock: Clock
}

/** Asked in the core; `core` itself is added by `watchCore`. */
export function createHealth(parts: HealthParts): () => Promise<Health> {
  const { clock } = parts
  let last: { at: number; answer: Promise<Health> } | undefined
  const probes: readonly (readonly [HealthPart, () => Promise<string>])[] = [
    ['disk', () => probeDisk(parts)],
    ['store', () => probeStore(parts)],
    ['queue', () => probeQueue(parts)],
  ]
  const probe = async (): Promise<Health> => {
    const found = await Promise.all(
      probes.map(async ([part, ask]) => [part, await within(clock, probeTimeoutMs, ask()).catch(words)] as const),
    )
    return summarise(Object.fromEntries(found), await parts.remarks?.().catch(() => ({})))
  }
  return () => {
    if (!last || clock.monotonic() - last.at >= probeEveryMs) last = { at: clock.monotonic(), answer: probe() }
    return last.answer
  }
}

/** In a door: the core's answer, or that it gives none in time. */
export function watchCore(core: { health(): Promise<Health> }, clock: Clock): () => Promise<Health> {
  return async () => {
    try {
      const { parts, remarks } = await within(clock, coreTimeoutMs, core.health())
      return summarise({ core: 'ok', ...parts }, remarks)
    } catch (error) {
      return summarise({ core: words(error) })
    }
  }
}

function summarise(parts: Health['parts'], remarks: Health['remarks'] = {}): Health {
  const status = Object.values(parts).every((answer) => answer === 'ok') ? 'ok' : 'failing'
  return { status, parts, ...(Object.keys(remarks).length > 0 && { remarks }) }
}

async function probeDisk({ store, minimumFree }: HealthParts): Promise<string> {
  const [free, line] = [await store.blobs.free(), minimumFree()]
  return free >= line ? 'ok' : `${mib(free)} free, the configured line is ${mib(line)}`
}

/** A real row, on stable storage when it answers. */
async function probeStore({ store, clock }: HealthParts): Promise<string> {
  await store.write([], (tx) => metaRows.putMeta(tx, 'health', `${clock.now()}`))
  return 'ok'
}

async function probeQueue({ queue }: HealthParts): Promise<string> {
  return queue.stalled() ?? 'ok'
}

function within<T>(clock: Clock, ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(ms, () => reject(new Fault('unavailable', `no answer within ${ms / 1000} s`)))
    answer.then(resolve, reject).finally(stop)
  })
}

const mib = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MiB`
const words = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** Makes the data folder and says in one line why it cannot be used. */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new ConfigError([`data: cannot write to ${folder}: ${systemWords(error)}`])
  }
}
