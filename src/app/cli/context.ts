// What every command is given: its configuration, its output, and the services of the server, running or not.

import type { Command } from 'commander'
import { isFault } from '../../base/index.ts'
import { ConfigError } from '../config/error.ts'
import type { Config } from '../config/index.ts'
import { connectControl, controlPath } from '../control.ts'
import type { AdminServices } from '../services.ts'
import { CommandError, createOutput, exitCodes, type Output } from './output.ts'

/** Options that every command takes. */
export interface Shared {
  readonly config?: string
  readonly json?: boolean
}

/** A command with the options of all. */
export function command(parent: Command, usage: string, description: string): Command {
  return parent
    .command(usage)
    .description(description)
    .option('--config <file>', 'the configuration file (default: ./posthorn.yaml, else the embedded default)')
    .option('--json', 'answer as JSON')
}

export const isNumber = (text: string): boolean => /^[1-9]\d{0,15}$/.test(text)

/** An id, or how many: 1 and more. */
export function toNumber(text: string): number {
  if (!isNumber(text)) throw new CommandError(`expected a number, found ${text}`)
  return Number(text)
}

/** The schema is loaded by who asks for the configuration: it takes as long as everything else of a command. */
export async function readConfig(shared: Shared): Promise<Config> {
  const { loadConfig } = await import('../config/index.ts')
  return loadConfig(shared.config, process.env)
}

export const outputOf = (shared: Shared): Output =>
  createOutput(shared.json === true, (text) => process.stdout.write(text))

/** Runs `work` on the services: of the running server when there is one, else on the store opened under its lock. */
export async function withServices<T>(shared: Shared, work: (services: AdminServices, config: Config) => Promise<T>) {
  const config = await readConfig(shared)
  const control = await connectControl(controlPath(config.data))
  if (control) {
    try {
      const service = <S extends keyof AdminServices>(name: S) => control.service<AdminServices[S]>(name)
      const services: AdminServices = {
        queries: service('queries'),
        accounts: service('accounts'),
        queue: service('queue'),
        suppressions: service('suppressions'),
        trace: service('trace'),
        dkim: service('dkim'),
        quarantine: service('quarantine'),
        spam: service('spam'),
        abuse: service('abuse'),
        reports: service('reports'),
        certificates: service('certificates'),
      }
      return await work(services, config)
    } finally {
      control.close()
    }
  }
  const { openOffline } = await import('../offline.ts')
  const offline = await openOffline(config).catch((error: unknown) => {
    if (isFault(error, 'in-use')) throw new CommandError(`${config.data}: ${error.message}`, exitCodes.usage)
    throw isFault(error) || error instanceof ConfigError ? error : new CommandError(storeWords(config, error))
  })
  try {
    return await work(offline.services, config)
  } finally {
    await offline.close()
  }
}

const storeWords = (config: Config, error: unknown) =>
  `cannot open the store in ${config.data}: ${error instanceof Error ? error.message : String(error)}`
