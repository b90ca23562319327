// Sockets of the SMTP door: binding, proxies in front, limits on connections, TLS, the clock's tick and the stop. Knows no command.

import net from 'node:net'
import tls from 'node:tls'
import { type Client, createNetworkTest, directClient, identifyClient } from '../../base/index.ts'
import { type ServerTls, serverSide } from '../../tls/index.ts'
import { formatReply, type Reply } from '../wire/index.ts'
import { commandsOf } from './commands/index.ts'
import { converse } from './dispatch.ts'
import { defaultLimits, type SmtpLimits } from './limits.ts'
import { replies } from './replies.ts'
import { type Seat, SmtpSession } from './session.ts'
import { createStats, type SmtpStats } from './stats.ts'
import type { Kind, SmtpServerOptions, SmtpSettings } from './types.ts'

export interface SmtpServer {
  /** Serves a connection that was accepted elsewhere. `secure`: it is a TLS socket already, its handshake done. `client`: absent, the socket's. */
  handle(socket: net.Socket, kind: Kind, options?: { readonly secure?: boolean; readonly client?: Client }): void
  /** Binds `host:port`, `[::]:25` or `*:25`; port 0 takes a free one; `reusePort` shares it with other threads. Rejects with the system's error. */
  listen(
    kind: Kind,
    address: string,
    options?: { readonly reusePort?: boolean },
  ): Promise<{ readonly host: string; readonly port: number }>
  /** For new sessions; each keeps what it began with. */
  reconfigure(settings: SmtpSettings): void
  /** Accepts no more, lets messages under way finish for at most `graceMs`, sends the rest 421. */
  stop(graceMs: number): Promise<void>
  readonly stats: SmtpStats
}

/** How often sessions are looked at for time that ran out. */
const tickMs = 1000

export function createSmtpServer(options: SmtpServerOptions): SmtpServer {
  const stats = createStats()
  let current = settle(options)
  const sessions = new Set<SmtpSession>()
  const perIp = new Map<string, number>()
  const listeners: net.Server[] = []
  const tables = {
    mx: commandsOf('mx'),
    submission: commandsOf('submission'),
    submissions: commandsOf('submissions'),
    lmtp: commandsOf('lmtp'),
  }
  let stopping = false
  let idle: (() => void) | undefined

  const secure = (socket: net.Socket, offered: ServerTls) =>
    handshake(socket, offered, current.limits.handshakeMs, options)

  const turnedAway = (client: Client) => {
    if (stopping) return replies.stopping
    if (sessions.size >= current.limits.connections) return replies.tooManyConnections
    return turnedAwayByIp(client)
  }
  const turnedAwayByIp = (client: Client) => {
    const { limits, trusted, xclient, xforward } = current
    // A proxy's connections are its own until it says whose they are.
    const many = client.near || [trusted, xclient, xforward].some((list) => isTrusted(client, list))
    const most = many ? limits.connectionsPerTrustedIp : limits.connectionsPerIp
    return (perIp.get(client.address) ?? 0) >= most ? replies.tooManyFromYou : undefined
  }
  /** Takes a place among the sessions of an address, and leaves it with the socket. */
  const sit = (socket: net.Socket, client: Client): Seat & { leave(): void } => {
    let ip = client.address
    const enter = () => perIp.set(ip, (perIp.get(ip) ?? 0) + 1)
    const leave = () => {
      const left = (perIp.get(ip) ?? 1) - 1
      if (left > 0) perIp.set(ip, left)
      else perIp.delete(ip)
    }
    enter()
    return {
      leave,
      refuse: (next) => (next.address === ip ? undefined : turnedAwayByIp(next)),
      move(next) {
        if (next.address === ip || socket.destroyed) return
        leave()
        ip = next.address
        enter()
      },
    }
  }

  const serve = async (session: SmtpSession, implicitTls: boolean) => {
    const stranger = session.isStranger
    if (stranger && implicitTls) session.hold()
    const refusal = stranger ? await session.arrive() : undefined
    if (refusal) return turnAway(session, refusal, implicitTls)
    if (session.visit && (await session.hearsEarly())) {
      session.log.info({ ip: session.clientIp }, 'spoke before the greeting')
      session.blame()
      return turnAway(session, replies.earlyTalker, implicitTls)
    }
    if (!implicitTls || (await session.startTls())) await converse(session, tables[session.kind])
    else session.destroy()
  }

  const turnAway = (session: SmtpSession, refusal: Reply, implicitTls: boolean) => {
    stats.refusedConnections++
    if (implicitTls) return session.destroy()
    session.reply(refusal)
    session.close()
  }

  const handle: SmtpServer['handle'] = (socket, kind, how = {}) => {
    const { secure: isSecure = false, client = directClient(socket.remoteAddress) } = how
    const refusal = turnedAway(client)
    if (refusal) {
      stats.refusedConnections++
      socket.on('error', () => socket.destroy())
      socket.end(kind === 'submissions' && !isSecure ? '' : formatReply(refusal))
      socket.resume()
      return
    }
    stats.connections++
    stats.open++
    const { server, limits, trusted, xclient, xforward } = current
    const seat = sit(socket, client)
    const session = new SmtpSession(socket, {
      server,
      limits,
      stats,
      kind,
      client,
      // Asked of who connected: XCLIENT must not open XCLIENT to whom it names.
      may: { xclient: isTrusted(client, xclient), xforward: isTrusted(client, xforward) },
      isTrusted: (one) => isTrusted(one, trusted),
      seat,
      secure,
    })
    if (isSecure && socket instanceof tls.TLSSocket) session.noteTls(socket)
    sessions.add(session)
    socket.once('close', () => {
      seat.leave()
      sessions.delete(session)
      stats.open--
      if (sessions.size === 0) idle?.()
    })
    serve(session, kind === 'submissions' && !isSecure).catch((error: unknown) => {
      // The core did not answer.
      options.log.error({ ip: client.address, err: error }, 'a connection could not be served')
      session.destroy()
    })
  }

  const acceptFromProxy = async (socket: net.Socket, kind: Kind) => {
    const { proxies, limits } = current
    // Until the session hears it.
    const ignore = () => {}
    socket.on('error', ignore)
    const waiting = { includes: proxies, waitMs: limits.proxyWaitMs, clock: options.clock, log: options.log }
    const client = await identifyClient(socket, waiting)
    if (!client) return
    handle(socket, kind, { client })
    socket.off('error', ignore)
  }

  let cancelTick = () => {}
  const tick = () => {
    const now = options.clock.monotonic()
    for (const session of sessions) session.tick(now)
    cancelTick = options.clock.after(tickMs, tick)
  }
  tick()

  return {
    stats,
    handle,
    reconfigure(settings) {
      current = settle({ ...options, ...settings })
    },
    async listen(kind, address, { reusePort = false } = {}) {
      // Half open: a client that sends everything and shuts its side still gets its answers. Keep-alive is not needed: each wait has its end.
      const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        const client = directClient(socket.remoteAddress)
        if (current.proxies(client.address)) void acceptFromProxy(socket, kind)
        else handle(socket, kind, { client })
      })
      const bound = await bind(server, address, reusePort)
      listeners.push(server)
      return bound
    },
    async stop(graceMs) {
      stopping = true
      const closed = listeners.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      for (const session of sessions) session.stop()
      if (sessions.size > 0) {
        await new Promise<void>((resolve) => {
          const cancel = options.clock.after(graceMs, resolve)
          idle = () => {
            cancel()
            resolve()
          }
        })
      }
      for (const session of sessions) session.destroy()
      cancelTick()
      await Promise.all(closed)
    },
  }
}

/** The address of a proxy that does not say for whom it speaks stands in no list of networks. */
function isTrusted(client: Client, includes: (ip: string) => boolean): boolean {
  return client.known && includes(client.address)
}

/** The options as sessions need them. */
function settle(server: SmtpServerOptions) {
  const limits: SmtpLimits = { ...defaultLimits, ...server.limits }
  return {
    server,
    limits,
    trusted: createNetworkTest(server.trustedNetworks),
    proxies: createNetworkTest(server.proxies),
    xclient: createNetworkTest(server.xclient ?? []),
    xforward: createNetworkTest(server.xforward ?? []),
  }
}

/** Splits `host:port`, `[v6]:port`, `*:port`. TypeError when it is none. */
export function parseListenAddress(address: string): { host: string | undefined; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, Math.max(colon, 0))
  const digits = address.slice(colon + 1)
  const port = Number(digits)
  if (colon < 0 || digits === '' || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`${address} is not host:port`)
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  return { host: bare === '' || bare === '*' ? undefined : bare, port }
}

function bind(server: net.Server, address: string, reusePort: boolean): Promise<{ host: string; port: number }> {
  const { host, port } = parseListenAddress(address)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...(host === undefined ? {} : { host }), port, reusePort, backlog: 511 }, () => {
      server.off('error', reject)
      const bound = server.address() as net.AddressInfo
      resolve({ host: bound.address, port: bound.port })
    })
  })
}

/** The server's side of a TLS handshake on `socket`; undefined when it fails or takes too long. */
function handshake(
  socket: net.Socket,
  offered: ServerTls,
  timeoutMs: number,
  { clock, log }: SmtpServerOptions,
): Promise<tls.TLSSocket | undefined> {
  return new Promise((resolve) => {
    const secured = new tls.TLSSocket(socket, serverSide(offered))
    const cancel = clock.after(timeoutMs, () => secured.destroy())
    secured.on('error', (error) => log.debug({ error: error.message }, 'TLS'))
    // Read on, so that a client that leaves in the middle is noticed; no data comes before the handshake is done.
    secured.resume()
    const left = () => secured.destroy()
    secured.once('end', left)
    secured.once('secure', () => {
      cancel()
      secured.pause().off('end', left)
      resolve(secured)
    })
    secured.once('close', () => {
      cancel()
      resolve(undefined)
    })
  })
}
