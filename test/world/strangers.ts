// A whole server in this process, its clock moved by hand, and clients that come from wherever a test says, through a proxy.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { composeDoors } from '../../src/app/compose-doors.ts'
import { checkConfig } from '../../src/app/config/index.ts'
import { type RunningServer, startServer } from '../../src/app/core.ts'
import { type Clock, realClock, silentLog } from '../../src/base/index.ts'
import { zoneResolver } from '../../src/dns/index.ts'
import { dial, Smtp, type Talk } from './talk.ts'

export const password = 'correct horse'

export interface MovedClock extends Clock {
  /** Everything that is counted from now on happens so much later. */
  move(ms: number): void
}

/** `hurry`: what waits, waits so many times shorter. */
export function movedClock(hurry = 1): MovedClock {
  let by = 0
  return {
    now: () => Math.round(realClock.now() + by),
    monotonic: () => realClock.monotonic() + by,
    after: (ms, run) => realClock.after(ms / hurry, run),
    move(ms) {
      by += ms
    },
  }
}

export interface StrangersWorld {
  readonly server: RunningServer
  readonly clock: MovedClock
  /** A connection to the door as if from `ip`; nothing is read yet. */
  come(door: 'smtp' | 'submission' | 'imap' | 'pop3', ip: string): Promise<Talk>
  /** Greeted and introduced at the MX door. */
  smtp(ip: string, hello?: string): Promise<Smtp>
  readonly abuse: RunningServer['core']['admin']['abuse']
  readonly accounts: RunningServer['core']['admin']['accounts']
}

export interface WorldOptions {
  readonly zone?: string
  readonly store?: string
  readonly hurry?: number
  readonly config?: { readonly smtp?: object; readonly [key: string]: unknown }
}

/** Ann and Bob live at here.test; nobody waits for a greeting unless the test says so. */
export async function strangersWorld(t: TestContext, options: WorldOptions = {}): Promise<StrangersWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-strangers-'))
  const clock = movedClock(options.hurry)
  const any = '127.0.0.1:0'
  const value = {
    hostname: 'mx.here.test',
    data: './data',
    ...(options.store !== undefined && { store: options.store }),
    listen: { smtp: any, submission: any, imap: any, pop3: any, http: any },
    proxyProtocol: ['127.0.0.0/8'],
    auth: { plaintext: 'always' },
    queue: { routes: { '*': '127.0.0.1:9' } },
    disk: { minimumFree: 0 },
    ...options.config,
    smtp: { greetingDelay: 0, ...options.config?.smtp },
  }
  const server = await startServer(checkConfig(value, {}, folder), {
    here: composeDoors,
    log: silentLog,
    clock,
    dns: zoneResolver(options.zone ?? ''),
    control: false,
  })
  t.after(async () => {
    await server.stop(0)
    rmSync(folder, { recursive: true, force: true })
  })
  const { accounts, abuse, queries } = server.core.admin
  if ((await queries.domains()).length === 0) {
    await accounts.addDomain('here.test')
    for (const email of ['ann@here.test', 'bob@here.test']) await accounts.addAccount({ email, password })
  }
  const come: StrangersWorld['come'] = async (door, ip) => {
    const talk = await dial(server.ports[door]!)
    t.after(() => talk.close())
    talk.send(
      `PROXY TCP${ip.includes(':') ? 6 : 4} ${ip} ${ip.includes(':') ? '2001:db8::1' : '198.51.100.1'} 4711 25\r\n`,
    )
    return talk
  }
  const smtp: StrangersWorld['smtp'] = async (ip, hello = 'EHLO client.elsewhere.test') => {
    const client = new Smtp(await come('smtp', ip))
    await client.reply()
    await client.say(hello)
    return client
  }
  return { server, clock, come, smtp, abuse, accounts }
}

/** What a door says to a name and a password from `ip`: `in`, `wrong`, or the words of a refusal. */
export async function signIn(
  world: StrangersWorld,
  door: 'submission' | 'imap' | 'pop3',
  ip: string,
  [user, secret]: readonly [user: string, secret: string],
): Promise<string> {
  const talk = await world.come(door, ip)
  const answer = await talkers[door](talk, user, secret)
  talk.close()
  if (/^235 |^t1 OK |^\+OK/m.test(answer)) return 'in'
  return /^535 |AUTHENTICATIONFAILED|\[AUTH\]/m.test(answer) ? 'wrong' : answer.trim()
}

const talkers = {
  async submission(talk: Talk, user: string, secret: string) {
    const client = new Smtp(talk)
    await client.reply()
    await client.say('EHLO client.test')
    return client.say(`AUTH PLAIN ${Buffer.from(`\0${user}\0${secret}`).toString('base64')}`)
  },
  async imap(talk: Talk, user: string, secret: string) {
    await talk.until(/^\* OK .*\r\n/m)
    talk.send(`t1 LOGIN "${user}" "${secret}"\r\n`)
    return talk.until(/^t1 .*\r\n/m, 20_000)
  },
  async pop3(talk: Talk, user: string, secret: string) {
    await talk.until(/^\+OK.*\r\n/m)
    talk.send(`USER ${user}\r\n`)
    await talk.until(/^\+OK.*\r\n/m)
    talk.send(`PASS ${secret}\r\n`)
    return talk.until(/^(\+OK|-ERR).*\r\n/m, 20_000)
  },
}
