// The services of commands while no server runs: the same functions on the store, opened under the lock that the server takes.

import { createLog, realClock } from '../base/index.ts'
import { composeCore } from './compose-core.ts'
import type { Config } from './config/index.ts'
import { prepareFolder } from './health.ts'
import type { AdminServices } from './services.ts'
import { version } from './version.ts'

/** Opens the store; nothing starts by itself: what was asked for is all that happens. */
export async function openOffline(config: Config): Promise<{ services: AdminServices; close(): Promise<void> }> {
  await prepareFolder(config.data)
  const core = await composeCore(config, {
    clock: realClock,
    log: createLog('error', { write: (text) => process.stderr.write(text) }),
    version: version(),
    onFatal(error) {
      throw error
    },
  })
  // Timers of the clock hold nobody up: an order that waits for the DNS would end with the process.
  const alive = setInterval(() => {}, 60_000)
  return {
    services: core.admin,
    async close() {
      clearInterval(alive)
      await core.finish().finally(() => core.close())
    },
  }
}
