// All connections of the IMAP door: who is let in, who is signed in, and how everybody leaves.

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { endLostSessions, type Login } from '../../accounts/index.ts'
import { type Client, createNetworkTest, type Proxies } from '../../base/index.ts'
import { offeredMechanisms } from '../../sasl/index.ts'
import type { ServerTls } from '../../tls/index.ts'
import { commands } from './commands/index.ts'
import { createDispatch } from './dispatch.ts'
import { type ImapLimits, limitsWith } from './limits.ts'
import type { ImapServerOptions, ImapSettings } from './options.ts'
import { Session, tooMany } from './session.ts'
import { createMailboxViews } from './views.ts'

export interface ImapServer {
  readonly limits: ImapLimits
  readonly proxies: Proxies
  /** Whether the client is banned: nothing is said to it. */
  isBanned(client: Client): Promise<boolean>
  /** Whether there is room for one more connection; otherwise it is told so and closed. */
  admit(socket: Socket, client: Client): boolean
  /** Counts a handshake among the connections until the returned function is called: whoever never ends it has a place nevertheless. */
  beginHandshake(client: Client): () => void
  /** Serves a connection whose TLS, where it is implicit, stands. Resolves when it ended; never rejects. */
  handle(socket: Duplex, client: Client): Promise<void>
  tlsOptions(): ServerTls | undefined
  readonly stats: ImapStats
  /** For new sessions; each keeps what it began with. */
  reconfigure(settings: ImapSettings): void
  /** Says BYE to everybody, waits for running commands up to `graceMs`, then closes. */
  stop(graceMs: number): Promise<void>
}

export interface ImapStats {
  readonly connections: number
  readonly authenticated: number
  readonly views: number
}

export function createImapServer(options: ImapServerOptions): ImapServer {
  let limits = limitsWith(options.limits)
  const { clock, services } = options
  const views = createMailboxViews(services.reads, services.bell, clock, options.log, limits)
  const sessions = new Map<Session, Promise<void>>()
  let inProxies = createNetworkTest(options.proxies)
  const handshakes = new Map<string, number>()
  let open = 0
  let stopping = false

  const dispatch = createDispatch(commands, (session) => {
    // RFC 7888 §5: who is not signed in may send 4 KiB unasked, which is what the limits before login allow.
    const capabilities = ['IMAP4rev1', session.login ? 'LITERAL+' : 'LITERAL-', 'SASL-IR']
    if (session.mayStartTls) capabilities.push('STARTTLS')
    if (session.login) {
      const { options, limits } = session.context()
      // RFC 7889 §2
      capabilities.push(`APPENDLIMIT=${options.maxMessageSize}`)
      // RFC 9738 §3: both, because what is written stands in one transaction and may be less.
      return [...capabilities, `MESSAGELIMIT=${limits.commandMessages}`, `SAVELIMIT=${limits.appendMessages}`]
    }
    if (!session.channel.plaintext) capabilities.push('LOGINDISABLED')
    for (const name of offeredMechanisms(session.channel)) capabilities.push(`AUTH=${name}`)
    return capabilities
  })

  const count = (wanted: (session: Session) => boolean) => {
    let n = 0
    for (const session of sessions.keys()) if (wanted(session)) n++
    return n
  }
  let host = {
    options,
    limits,
    views,
    dispatch,
    enter(session: Session, login: Login) {
      const most = session.near ? limits.perAccountNear : limits.perAccount
      if (count((other) => other.login?.account === login.account) >= most)
        throw tooMany('connections of one account', most)
    },
  }

  const stopHearing = endLostSessions(services, () => sessions.keys(), options.log)

  return {
    get limits() {
      return limits
    },
    reconfigure(settings) {
      limits = limitsWith(settings.limits)
      host = { ...host, options: { ...options, ...settings }, limits }
      inProxies = createNetworkTest(settings.proxies)
    },
    isBanned: async (client) => (await options.isBanned?.(client)) ?? false,
    get proxies() {
      return { includes: inProxies, waitMs: limits.proxyWaitMs, clock, log: options.log }
    },
    admit(socket, { address }) {
      const strangers = count((session) => session.login === undefined && session.address === address)
      const guests = strangers + (handshakes.get(address) ?? 0)
      const full = stopping || open >= limits.connections || guests >= limits.unauthenticatedPerAddress
      if (full) socket.end('* BYE [UNAVAILABLE] too many connections\r\n', () => socket.destroy())
      return !full
    },
    beginHandshake({ address }) {
      open++
      handshakes.set(address, (handshakes.get(address) ?? 0) + 1)
      return () => {
        open--
        const left = handshakes.get(address)! - 1
        if (left > 0) handshakes.set(address, left)
        else handshakes.delete(address)
      }
    },
    async handle(socket, client) {
      open++
      const session = new Session(host, socket, client)
      const served = session.serve()
      sessions.set(session, served)
      await served
      sessions.delete(session)
      open--
    },
    tlsOptions: () => options.tls(),
    get stats() {
      return { connections: open, authenticated: count((session) => session.login !== undefined), views: views.size }
    },
    async stop(graceMs) {
      stopping = true
      stopHearing()
      for (const session of sessions.keys()) session.stop('the server is stopping')
      const cancel = clock.after(graceMs, () => {
        for (const session of sessions.keys()) session.destroy()
      })
      await Promise.all(sessions.values())
      cancel()
      views.close()
    },
  }
}
