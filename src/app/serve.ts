// The server of posthorn run: from its configuration to the page for people, and what a signal does from then on.

import type { Worker } from 'node:worker_threads'
import { createLog, gatheredOutput, isFault, type LevelledLog, type Log } from '../base/index.ts'
import { describeCertificate } from '../tls/index.ts'
import { formatBanner } from './banner.ts'
import type { Shared } from './cli/context.ts'
import { reportError } from './cli/output.ts'
import { loadConfig } from './config/index.ts'
import { type RunningServer, startServer } from './core.ts'
import { readFault } from './fault.ts'
import { makeFirstUser } from './first-start.ts'
import { takePrivileges } from './privileges.ts'
import { exitCodes, graceMs, type Obey, type Signal, type Signals } from './run.ts'
import { spawnDoors } from './thread.ts'
import { version } from './version.ts'

/** Who waits for the first answers comes first. */
const settleMs = 500

/** Starts with `first` as its first thread of doors. What cannot be started is said in a line, and ends the process. */
export async function serve(shared: Shared, first: Worker, signals: Signals): Promise<void> {
  try {
    await start(shared, first, signals)
  } catch (error) {
    await first.terminate()
    reportError(error, shared.json === true, (text) => process.stderr.write(text))
    // A thread that was ended while it loaded may hold the process.
    process.exit(exitCodes.unusable)
  }
}

async function start(shared: Shared, first: Worker, signals: Signals): Promise<void> {
  const config = loadConfig(shared.config, process.env)
  const log = createLog(config.log.level, gatheredOutput())
  guard(log)
  const privileges = takePrivileges(config.user, config.data)
  const fault = readFault(process.env)
  const workers = [first, ...Array.from({ length: config.doors - 1 }, () => spawnDoors())]
  const server = await startServer(config, {
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
  setTimeout(() => {
    server.settle().catch((error: unknown) => log.error({ err: error }, 'the start was not ended in order'))
  }, settleMs).unref()
}

/** The log line always; the page for people at a terminal, or when nobody configured anything. */
async function greet(shared: Shared, server: RunningServer, log: Log): Promise<void> {
  const { config, bound, core } = server
  const listening = Object.groupBy(
    bound.map(({ name, host, port }) => ({ name, at: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` })),
    ({ name }) => name,
  )
  const listen = Object.fromEntries(Object.entries(listening).map(([name, list]) => [name, list!.map(({ at }) => at)]))
  const firstUser = config.embedded ? await makeFirstUser(core.admin) : undefined
  if (!shared.json && (process.stdout.isTTY || config.embedded)) {
    const certificate =
      config.tls || config.acme.agree ? undefined : describeCertificate(server.certificates.fallback.cert)
    process.stdout.write(formatBanner({ ...config, version: version(), bound, certificate, firstUser }))
  } else if (shared.json && firstUser) process.stdout.write(`${JSON.stringify({ firstUser })}\n`)
  log.info({ version: version(), hostname: config.hostname, listen, pid: process.pid }, 'ready')
  warnOfPlaintext(config, log)
}

function warnOfPlaintext({ auth }: RunningServer['config'], log: Log): void {
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

function obeySignals(server: RunningServer, log: Log, hangUp: () => Promise<void>): Obey {
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
async function reload(shared: Shared, server: RunningServer, log: LevelledLog): Promise<void> {
  try {
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
