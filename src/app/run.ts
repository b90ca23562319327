// posthorn run: the process around the server. Threads, signals, exit codes, and what is printed.

import { isFault, type LevelledLog, type Log } from '../base/index.ts'
import type { Shared } from './cli/context.ts'
import { spawnDoors } from './thread.ts'

/** How the process ends: by request, by an error of ours, by the configuration or the machine, by failing storage. */
const exitCodes = { done: 0, broken: 1, unusable: 2, storage: 75 } as const
const graceMs = 30_000

export async function run(shared: Shared): Promise<void> {
  // The doors load their modules on another core while this thread reads the configuration.
  const first = spawnDoors()
  const signals = hearSignals()
  const refuse = async (error: unknown) => {
    await first.terminate()
    const { reportError } = await import('./cli/output.ts')
    reportError(error, shared.json === true, (text) => process.stderr.write(text))
    // A thread that was ended while it loaded may hold the process.
    process.exit(exitCodes.unusable)
  }
  try {
    await start(shared, first, signals)
  } catch (error) {
    await refuse(error)
  }
}

type Signal = 'SIGHUP' | 'SIGINT' | 'SIGTERM'
type Obey = (signal: Signal) => void

/**
 * Hears signals from the beginning. Whoever says HUP while we start means what may have been read already, and the ports may be open to
 * clients when somebody asks us to end: what came is kept for who obeys. The listeners stay for good: a signal that has arrived for one
 * that is taken away is lost.
 */
function hearSignals(): (obey: Obey) => void {
  const heard = new Set<Signal>()
  let hung: NodeJS.Timeout | undefined
  let keep: Obey = (signal) => {
    if (signal !== 'SIGHUP') {
      // Who asks twice does not want to wait, and a start that hangs is ended too.
      if (heard.has(signal)) process.exit(exitCodes.broken)
      hung ??= setTimeout(() => process.exit(exitCodes.broken), graceMs).unref()
    }
    heard.add(signal)
  }
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => keep(signal))
  return (obey) => {
    keep = obey
    clearTimeout(hung)
    for (const signal of heard) obey(signal)
  }
}

async function start(
  shared: Shared,
  first: ReturnType<typeof spawnDoors>,
  signals: ReturnType<typeof hearSignals>,
): Promise<void> {
  const [{ loadConfig }, { createLog, gatheredOutput }, { startServer }, { readFault }] = await Promise.all([
    import('./config/index.ts'),
    import('../base/index.ts'),
    import('./core.ts'),
    import('./fault.ts'),
  ])
  const config = loadConfig(shared.config, process.env)
  const log = createLog(config.log.level, gatheredOutput())
  guard(log)
  const privileges = config.user
    ? (await import('./privileges.ts')).takePrivileges(config.user, config.data)
    : undefined
  const fault = readFault(process.env)
  const workers = [first, ...Array.from({ length: config.doors - 1 }, () => spawnDoors())]
  const server = await startServer(config, {
    threads: true,
    log,
    workers,
    onFatal: (error) => {
      log.error({ err: error }, 'storage failed: the server ends')
      process.exit(exitCodes.storage)
    },
    ...(fault && { fault }),
    ...(privileges && { privileges }),
  })
  const greeted = greet(shared, server, log)
  signals(obeySignals(server, log, () => greeted.then(() => reload(shared, server, log))))
  await greeted
  const { tidyWhenIdle } = await import('./idle.ts')
  tidyWhenIdle()
}

type Server = Awaited<ReturnType<typeof import('./core.ts').startServer>>

/** The log line always; the page for people at a terminal, or when nobody configured anything. */
async function greet(shared: Shared, server: Server, log: Log): Promise<void> {
  const { config, bound, core } = server
  const { version } = await import('./version.ts')
  const listening = Object.groupBy(
    bound.map(({ name, host, port }) => ({ name, at: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` })),
    ({ name }) => name,
  )
  const listen = Object.fromEntries(Object.entries(listening).map(([name, list]) => [name, list!.map(({ at }) => at)]))
  const firstUser = config.embedded ? await (await import('./first-start.ts')).makeFirstUser(core.admin) : undefined
  if (!shared.json && (process.stdout.isTTY || config.embedded)) {
    const { formatBanner } = await import('./banner.ts')
    const { describeCertificate } = await import('../tls/index.ts')
    const certificate = config.tls ? undefined : describeCertificate(server.certificate.cert)
    process.stdout.write(formatBanner({ ...config, version: version(), bound, certificate, firstUser }))
  } else if (shared.json && firstUser) process.stdout.write(`${JSON.stringify({ firstUser })}\n`)
  log.info({ version: version(), hostname: config.hostname, listen, pid: process.pid }, 'ready')
  warnOfPlaintext(config, log)
}

function warnOfPlaintext({ auth }: Server['config'], log: Log): void {
  if (auth.plaintext === 'always') log.warn({}, 'auth.plaintext is always: passwords may cross the network readable')
}

/** An error that nobody caught ends the process: its state is unknown. */
function guard(log: Log): void {
  const end = (what: string) => (error: unknown) => {
    log.error({ err: error }, what)
    process.exit(exitCodes.broken)
  }
  process.on('uncaughtException', end('an error nobody caught'))
  process.on('unhandledRejection', end('a promise nobody caught'))
}

function obeySignals(server: Server, log: Log, hangUp: () => Promise<void>): Obey {
  let stopping = false
  const stop = (signal: Signal): void => {
    // Who asks twice does not want to wait.
    if (stopping) process.exit(exitCodes.broken)
    stopping = true
    log.info({ signal }, 'stopping')
    // Past the grace the work is cut off; past this the process is.
    setTimeout(() => process.exit(exitCodes.broken), graceMs + 5000).unref()
    server.stop(graceMs).then(
      () => {
        log.info({}, 'stopped')
        process.exit(exitCodes.done)
      },
      (error: unknown) => {
        log.error({ err: error }, 'the server could not stop in order')
        process.exit(exitCodes.broken)
      },
    )
  }
  return (signal) => (signal === 'SIGHUP' ? void hangUp() : stop(signal))
}

/** What may change does at once; any other change is named and waits for the next start. What is wrong changes nothing. */
async function reload(shared: Shared, server: Server, log: LevelledLog): Promise<void> {
  try {
    const { loadConfig } = await import('./config/index.ts')
    const next = loadConfig(shared.config, process.env)
    const { config, changed, waiting } = await server.reconfigure(next)
    log.setLevel(config.log.level)
    log.info({ changed, waiting }, waiting.length > 0 ? 'reloaded; some keys wait for a restart' : 'reloaded')
    if (changed.includes('auth.plaintext')) warnOfPlaintext(config, log)
  } catch (error) {
    const text = isFault(error) || error instanceof Error ? error.message : String(error)
    log.error({ error: text }, 'reload refused: everything stays as it was')
  }
}
