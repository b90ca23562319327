// The thread of the doors: waits for its configuration, then serves the core's wishes: open, listen, count, stop.

import { isIP } from 'node:net'
import { parentPort } from 'node:worker_threads'
import { createLog, joinPort, realClock } from '../base/index.ts'
import { composeDoors, type Doors } from './compose-doors.ts'
import type { DoorsService, DoorsStart } from './core.ts'
import { readFault } from './fault.ts'
import { keepCompiled } from './heap.ts'
import { tidyWhenIdle } from './idle.ts'
import type { CoreServices } from './services.ts'

// While the core reads its configuration: Node's pattern of an IPv6 address takes V8 milliseconds, and no port opens without it.
isIP('::')

parentPort!.once('message', (start: DoorsStart) => {
  const { port, config } = start
  const log = createLog(config.log.level)
  let doors: Doors | undefined
  const service: DoorsService = {
    async open() {
      const remote = <S extends keyof CoreServices>(name: S) => joined.service<CoreServices[S]>(name)
      const services: CoreServices = {
        mail: remote('mail'),
        accounts: remote('accounts'),
        delivery: remote('delivery'),
        maildrops: remote('maildrops'),
        trace: remote('trace'),
        abuse: remote('abuse'),
        reports: remote('reports'),
        core: remote('core'),
      }
      const fault = readFault(process.env)
      doors = await composeDoors(start, services, {
        log,
        clock: realClock,
        ...(fault && { fault }),
      })
    },
    listen: () => doors!.listen(),
    counters: async () => doors?.counters() ?? {},
    async reconfigure(next) {
      log.setLevel(next.config.log.level)
      await doors?.reconfigure(next)
    },
    keepCompiled: async () => keepCompiled(),
    tidyWhenIdle: async () => tidyWhenIdle(),
    async stop(graceMs) {
      // A thread that is ended from outside would not keep what it compiled.
      keepCompiled()
      await doors?.stop(graceMs)
      await doors?.close()
    },
  }
  const joined = joinPort(port as never, { doors: service })
})
