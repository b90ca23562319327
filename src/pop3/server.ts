// All connections of the POP3 door: who is let in, who is signed in, and how everybody leaves.

import type { Socket } from 'node:net'
import { endLostSessions } from '../accounts/index.ts'
import { type Client, createNetworkTest, type Proxies } from '../base/index.ts'
import type { ServerTls } from '../tls/index.ts'
import { commands } from './commands/index.ts'
import { createDispatch } from './dispatch.ts'
import { type Pop3Limits, pop3Limits } from './limits.ts'
import type { Pop3ServerOptions, Pop3Settings } from './options.ts'
import { Pop3Session } from './session.ts'
import { createStats, type Pop3Stats } from './stats.ts'

export interface Pop3Server {
  readonly limits: Pop3Limits
  readonly proxies: Proxies
  /** Whether the client is banned: nothing is said to it. */
  isBanned(client: Client): Promise<boolean>
  /** Counts one more connection until `leave`; undefined: there is no room for it. A handshake counts too. */
  admit(client: Client): { leave(): void } | undefined
  /** Serves an admitted connection whose TLS, where it is implicit, stands. Resolves when it ended; never rejects. */
  handle(socket: Socket, client: Client): Promise<void>
  tlsOptions(): ServerTls | undefined
  readonly stats: Pop3Stats
  /** For new sessions; each keeps what it began with. */
  reconfigure(settings: Pop3Settings): void
  /** Tells everybody, waits for running commands up to `graceMs`, then closes. */
  stop(graceMs: number): Promise<void>
}

/**
 * RFC 2449 §6: answers come in the order of the commands however many arrive at once; answers carry codes, also those of RFC 3206;
 * nothing is removed unless the client says so.
 */
const always = ['PIPELINING', 'RESP-CODES', 'AUTH-RESP-CODE', 'EXPIRE NEVER', 'IMPLEMENTATION Posthorn']

export function createPop3Server(options: Pop3ServerOptions): Pop3Server {
  const { clock, services } = options
  const stats = createStats()
  const dispatch = createDispatch(commands, always)
  const sessions = new Map<Pop3Session, Promise<void>>()
  const limitsOf = (settings: Pop3Settings): Pop3Limits => ({ ...pop3Limits, ...settings.limits })
  let host = { options, limits: limitsOf(options), dispatch, stats }
  let inProxies = createNetworkTest(options.proxies)
  const perIp = new Map<string, number>()
  let stopping = false

  const stopHearing = endLostSessions(services, () => sessions.keys(), options.log)

  return {
    stats,
    get limits() {
      return host.limits
    },
    isBanned: async (client) => (await options.isBanned?.(client)) ?? false,
    get proxies() {
      return { includes: inProxies, waitMs: host.limits.proxyWaitMs, clock, log: options.log }
    },
    reconfigure(settings) {
      host = { ...host, options: { ...options, ...settings }, limits: limitsOf(settings) }
      inProxies = createNetworkTest(settings.proxies)
    },
    admit({ address }) {
      const { connections, perAddress } = host.limits
      const same = perIp.get(address) ?? 0
      if (stopping || stats.connections >= connections || same >= perAddress) return undefined
      stats.connections++
      perIp.set(address, same + 1)
      return {
        leave() {
          stats.connections--
          const left = perIp.get(address)! - 1
          if (left > 0) perIp.set(address, left)
          else perIp.delete(address)
        },
      }
    },
    async handle(socket, client) {
      const session = new Pop3Session(host, socket, client)
      const served = session.serve()
      sessions.set(session, served)
      if (stopping) session.stop('the server is stopping')
      await served
      sessions.delete(session)
    },
    tlsOptions: () => options.tls(),
    async stop(graceMs) {
      stopping = true
      stopHearing()
      for (const session of sessions.keys()) session.stop('the server is stopping')
      const cancel = clock.after(graceMs, () => {
        for (const session of sessions.keys()) session.destroy()
      })
      await Promise.all(sessions.values())
      cancel()
    },
  }
}
