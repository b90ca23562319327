// posthorn dev: a whole world on this machine. Two domains with users, a made-up DNS, a temporary folder, and every message
// that would leave caught in one mailbox. Nothing of it stays.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { formatAddress } from '../address/index.ts'
import { createLog, type Log, realClock } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { createSpool } from '../mail/index.ts'
import { createSmtpServer } from '../smtp/server/index.ts'
import type { Shared } from './cli/context.ts'
import { composeDoors } from './compose-doors.ts'
import { type Config, checkConfig, embeddedDefault, formatEndpoint } from './config/index.ts'
import { type RunningServer, startServer } from './core.ts'

const users = ['anna@red.test', 'bob@red.test', 'carla@blue.test', 'dan@blue.test']
/** Everything that would go out comes here. */
const catcher = { local: 'outside', domain: 'caught.test' }
const password = 'password'

/** The two domains of ours; every other name leads to the catcher. */
const zone = `
red.test.     MX 10 mail.red.test.
blue.test.    MX 10 mail.blue.test.
mail.red.test.   A 127.0.0.1
mail.blue.test.  A 127.0.0.1
`

export async function dev(shared: Shared): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-dev-'))
  const log = createLog('info')
  let server: RunningServer | undefined
  const { sink, port } = await openSink(log, () => server!)
  server = await startServer(devConfig(folder, port), { here: composeDoors, log, dns: zoneResolver(zone) })
  await seed(server)
  process.stdout.write(
    shared.json ? `${JSON.stringify({ folder, ports: server.ports, users, password })}\n` : page(server),
  )
  const stop = () => {
    void Promise.all([sink.stop(0), server.stop(2000)]).then(() => {
      rmSync(folder, { recursive: true, force: true })
      process.exit(0)
    })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

/** The embedded default in a temporary folder; mail for the world goes to the sink. */
function devConfig(folder: string, sinkPort: number): Config {
  const own = { hostname: 'mail.red.test', data: folder, queue: { routes: { '*': `127.0.0.1:${sinkPort}` } } }
  return checkConfig({ ...embeddedDefault, ...own }, process.env, folder)
}

/** The world outside: takes every message for anybody and puts it into one mailbox here. */
async function openSink(log: Log, server: () => RunningServer) {
  const clock = realClock
  const accept = async () => ({ ok: true }) as const
  const sink = createSmtpServer({
    hostname: 'world.test',
    // Nobody signs in at a port of kind mx.
    accounts: undefined as never,
    checks: {
      sender: accept,
      recipient: accept,
      header: async (_arrival, _envelope, header) => ({ header }),
      content: async (arrival) => ({ arrival }),
    },
    delivery: {
      receive: (arrival, envelope, content) =>
        server().core.services.delivery.receive(arrival, { ...envelope, to: [{ address: catcher }] }, content),
    },
    spool: (options) => createSpool({ blobs: server().core.store.blobs, ...options }),
    tls: () => undefined,
    plaintextAuth: 'never',
    trustedNetworks: [],
    proxies: [],
    log: log.child({ door: 'world' }),
    clock,
  })
  return { sink, port: (await sink.listen('mx', '127.0.0.1:0')).port }
}

async function seed({ core }: RunningServer): Promise<void> {
  const { accounts } = core.admin
  for (const domain of ['red.test', 'blue.test', 'caught.test']) await accounts.addDomain(domain)
  for (const email of [...users, formatAddress(catcher)]) await accounts.addAccount({ email, password })
}

function page({ bound }: RunningServer): string {
  const lines = [
    '',
    styleText('bold', 'A world for development; it vanishes when you stop it.'),
    '',
    ...bound.map((at) => `  ${at.name.padEnd(12)} ${formatEndpoint(at)}`),
    '',
    `  users     ${users.join(', ')}`,
    `  outside   what is sent to anybody else arrives at ${formatAddress(catcher)}`,
    `  password  ${password}`,
    '',
  ]
  return `${lines.join('\n')}\n`
}
