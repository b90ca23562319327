// posthorn run: the process around the server, before anything else of it is loaded: the thread of the doors begins, signals are heard.

import type { Shared } from './cli/context.ts'
import { spawnDoors } from './thread.ts'

/** How the process ends: by request, by an error of ours, by the configuration or the machine, by failing storage. */
export const exitCodes = { done: 0, broken: 1, unusable: 2, storage: 75 } as const
export const graceMs = 30_000

export async function run(shared: Shared): Promise<void> {
  // The doors load their modules on another core while this thread loads its own and reads the configuration.
  const first = spawnDoors()
  const signals = hearSignals()
  const { serve } = await import('./serve.ts')
  await serve(shared, first, signals)
}

export type Signal = 'SIGHUP' | 'SIGINT' | 'SIGTERM'
export type Obey = (signal: Signal) => void

/** Hands over what was heard and what will be. */
export type Signals = (obey: Obey) => void

/**
 * Hears signals from the beginning. Whoever says HUP while we start means what may have been read already, and the ports may be open to
 * clients when somebody asks us to end: what came is kept for who obeys. The listeners stay for good: a signal that has arrived for one
 * that is taken away is lost.
 */
function hearSignals(): Signals {
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
