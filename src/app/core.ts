// Starts and stops a whole server: the core in this thread, the doors in workers or, for tests, in this thread too.
// Knows the order of things; what is made of what stands in compose.ts.

import { MessageChannel, type Worker } from 'node:worker_threads'
import { type Clock, joinPort, type Log, type Port, realClock } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { type FileCertificates, watchFiles } from '../tls/index.ts'
import type { Bound } from './banner.ts'
import { certificateSource } from './certificates.ts'
import { checkParts } from './check.ts'
import { type Core, composeCore } from './compose-core.ts'
import type { composeDoors, Doors } from './compose-doors.ts'
import { type Config, type ListenerName, type TakenOver, takeOver } from './config/index.ts'
import { controlPath, serveControl } from './control.ts'
import { prepareFolder } from './health.ts'
import { beginWork, keepCompiled } from './heap.ts'
import { tidyWhenIdle } from './idle.ts'
import type { Privileges } from './privileges.ts'
import type { CoreServices } from './services.ts'
import { spawnDoors } from './thread.ts'
import { version } from './version.ts'

export interface StartOptions {
  /** Makes the doors in this thread, where everything is called directly; absent: they have threads of their own. */
  readonly here?: typeof composeDoors
  readonly log: Log
  readonly clock?: Clock
  /** Absent: the resolver that the configuration names. */
  readonly dns?: Resolver
  /** Storage failed: the process must end. */
  readonly onFatal?: (error: Error) => void
  readonly fault?: (point: string) => void
  /** Doors whose threads are already loading. */
  readonly workers?: readonly Worker[]
  readonly privileges?: Privileges
  /** Absent: `<data>/control.sock`. */
  readonly control?: boolean
}

export interface RunningServer {
  readonly config: Config
  readonly core: Core
  readonly bound: readonly Bound[]
  /** Port of the first listener of each name. */
  readonly ports: Readonly<Partial<Record<ListenerName, number>>>
  /** Those of files, at the start. */
  readonly certificates: FileCertificates
  /**
   * Reads the certificate again and gives it and the keys that may change to everybody; sessions go on. Throws ConfigError or Fault
   * before anything has changed.
   */
  reconfigure(next: Config): Promise<TakenOver>
  /** Ends the start: what it compiled is kept for the next one, and from now on the threads save memory and give back what they need no more. */
  settle(): Promise<void>
  /** No new work from now on; what is under way ends within `graceMs` or is cut off. */
  stop(graceMs?: number): Promise<void>
}

/** What the core asks of the doors, in whatever thread they are. */
export interface DoorsService extends Omit<Doors, 'close'> {
  open(): Promise<void>
  keepCompiled(): Promise<void>
  tidyWhenIdle(): Promise<void>
}

/** What the thread of the doors is told first. */
export interface DoorsStart {
  readonly config: Config
  readonly files: FileCertificates
  readonly port: MessagePort
  /** The first thread of doors also holds the web door. */
  readonly index: number
}

/** Starts everything or nothing: rejects after taking down what was up. */
export async function startServer(config: Config, options: StartOptions): Promise<RunningServer> {
  const clock = options.clock ?? realClock
  const undo: (() => Promise<void>)[] = []
  try {
    checkParts(config)
    await prepareFolder(config.data)
    let current = config
    let doors: readonly OpenDoors[] = []
    const tellFiles = async (files: FileCertificates) => {
      await Promise.all(doors.map(({ service }) => service.reconfigure({ config: current, files })))
    }
    const watch = watchFiles({
      source: certificateSource(config),
      changed: (files) =>
        void tellFiles(files).catch((error: unknown) =>
          options.log.error({ err: error }, 'tls: the doors did not take the new certificates'),
        ),
      clock,
      log: options.log,
    })
    undo.push(async () => watch.stop())
    const certificates = watch.current
    const core = await composeCore(config, {
      ...options,
      clock,
      onFatal: options.onFatal ?? fail,
      version: version(),
      watched: { files: () => watch.current, problem: watch.problem },
    })
    undo.push(() => core.close())
    await core.checkIndex()
    doors = await openDoors(config, certificates, core.services, { ...options, clock })
    undo.push(() => Promise.all(doors.map((one) => one.end(0))).then(() => {}))
    core.watchDoors(doors.map(({ service }) => service))
    const bound = await bindAll(doors, options.privileges)
    if (options.control !== false) {
      const admin = { ...core.admin, server: { status: async () => status(clock) } }
      const control = await serveControl(controlPath(config.data), admin, options.log)
      undo.push(() => control.stop())
    }
    core.begin()
    return {
      config,
      core,
      bound,
      ports: Object.fromEntries([...bound].reverse().map(({ name, port }) => [name, port])),
      certificates,
      async reconfigure(next) {
        const taken = takeOver(current, next)
        checkParts(taken.config)
        const fresh = { config: taken.config, files: watch.use(certificateSource(taken.config)) }
        core.reconfigure(taken.config)
        current = taken.config
        await Promise.all(doors.map(({ service }) => service.reconfigure(fresh)))
        return taken
      },
      async settle() {
        await Promise.all(doors.map(({ service }) => service.keepCompiled()))
        keepCompiled()
        beginWork()
        await Promise.all(doors.map(({ service }) => service.tidyWhenIdle()))
        tidyWhenIdle()
      },
      async stop(graceMs = 30_000) {
        watch.stop()
        await Promise.all(doors.map((one) => one.end(graceMs)))
        await undo.pop()?.()
        await core.close(graceMs)
      },
    }
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {})
    throw error
  }
}

const startedAt = Date.now()
const status = (clock: Clock) => ({ version: version(), pid: process.pid, startedAt, upMs: clock.now() - startedAt })

function fail(error: Error): never {
  throw error
}

interface OpenDoors {
  readonly service: DoorsService
  end(graceMs: number): Promise<void>
}

type DoorsOptions = StartOptions & { readonly clock: Clock }

function openDoors(
  config: Config,
  files: FileCertificates,
  services: CoreServices,
  options: DoorsOptions,
): Promise<OpenDoors[]> {
  const { here } = options
  if (here) return here({ config, files, index: 0 }, services, options).then((doors) => [inThisThread(doors)])
  const one = (index: number) => openInThread({ config, files, index }, services, options)
  return Promise.all(Array.from({ length: config.doors }, (_, index) => one(index)))
}

type Opening = Omit<DoorsStart, 'port'>

const inThisThread = (doors: Doors): OpenDoors => ({
  service: { ...doors, open: async () => {}, keepCompiled: async () => {}, tidyWhenIdle: async () => {} },
  async end(graceMs) {
    await doors.stop(graceMs)
    await doors.close()
  },
})

async function openInThread(start: Opening, services: CoreServices, options: DoorsOptions): Promise<OpenDoors> {
  const worker = options.workers?.[start.index] ?? spawnDoors()
  const channel = new MessageChannel()
  const port: Port = joinPort(channel.port1, { ...services })
  worker.postMessage({ ...start, port: channel.port2 }, [channel.port2])
  const died = new Promise<never>((_, reject) => {
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('a thread of the doors ended')))
  })
  // After the start nobody awaits it: the error is the process's own.
  died.catch(() => {})
  const service = port.service<DoorsService>('doors')
  await Promise.race([service.open(), died])
  worker.on('error', (error) => (options.onFatal ?? fail)(error as Error))
  return {
    service,
    async end(graceMs) {
      worker.removeAllListeners('error')
      await Promise.race([service.stop(graceMs), died]).catch(() => {})
      port.close()
      await worker.terminate()
    },
  }
}

/** Opens every port, as root when the configuration names a user to become afterwards. */
async function bindAll(doors: readonly OpenDoors[], privileges: Privileges | undefined): Promise<Bound[]> {
  privileges?.raise()
  try {
    const bound = await Promise.all(doors.map(({ service }) => service.listen()))
    return bound[0] ?? []
  } finally {
    privileges?.drop()
  }
}
