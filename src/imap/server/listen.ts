// Sockets of the IMAP door: binding, proxies in front, implicit TLS, STARTTLS. Knows no IMAP.

import { createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import * as tls from 'node:tls'
import { identifyClient } from '../../base/index.ts'
import { type ServerTls, serverSide } from '../../tls/index.ts'
import type { ImapServer } from './server.ts'

/** The server side of TLS on `socket`; rejects and closes when the handshake fails or takes longer than `timeoutMs`. */
export function startTls(socket: Duplex, options: ServerTls, timeoutMs: number): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = new tls.TLSSocket(socket, serverSide(options))
    const fail = (error: Error) => {
      clearTimeout(timer)
      secure.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(new Error('the TLS handshake took too long')), timeoutMs)
    const closed = () => fail(new Error('closed during the TLS handshake'))
    secure.once('error', fail)
    secure.once('close', closed)
    secure.once('secure', () => {
      clearTimeout(timer)
      secure.off('error', fail)
      secure.off('close', closed)
      // Whoever reads the socket hears later errors; without a listener they would end the process.
      secure.on('error', () => {})
      resolve(secure)
    })
  })
}

export interface ImapListener {
  readonly host: string
  readonly port: number
  /** Takes no new connections. */
  close(): Promise<void>
}

/** Binds `host:port` (port 0: any; host `::` takes IPv4 too) and hands connections to `server`; `implicitTls` for imaps. Rejects when the port is taken. */
export async function listenImap(
  server: ImapServer,
  at: { readonly host: string; readonly port: number; readonly implicitTls: boolean; readonly reusePort?: boolean },
): Promise<ImapListener> {
  const listener = createServer({ noDelay: true, keepAlive: true, highWaterMark: 64 * 1024 }, (socket) => {
    socket.on('error', () => {})
    accept(server, socket, at.implicitTls).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen({ host: at.host, port: at.port, reusePort: at.reusePort === true, backlog: 511 }, () => {
      listener.off('error', reject)
      resolve()
    })
  })
  const bound = listener.address()
  return {
    host: at.host,
    port: typeof bound === 'object' && bound ? bound.port : at.port,
    close: () => new Promise((resolve) => listener.close(() => resolve())),
  }
}

async function accept(server: ImapServer, socket: Socket, implicitTls: boolean): Promise<void> {
  const client = await identifyClient(socket, server.proxies)
  if (!client) return
  if (await server.isBanned(client)) {
    socket.destroy()
    return
  }
  if (!server.admit(socket, client)) return
  if (!implicitTls) return server.handle(socket, client)
  const options = server.tlsOptions()
  if (!options) throw new Error('no certificate')
  const handshakeEnded = server.beginHandshake(client)
  const secure = await startTls(socket, options, server.limits.tlsHandshakeMs).finally(handshakeEnded)
  return server.handle(secure, client)
}
