// Sockets of the POP3 door: binding, proxies in front, implicit TLS, STLS. Knows no POP3.

import { createServer, type Socket } from 'node:net'
import * as tls from 'node:tls'
import { identifyClient } from '../base/index.ts'
import { type ServerTls, serverSide } from '../tls/index.ts'
import type { Pop3Server } from './server.ts'

/** The server side of TLS on `socket`; rejects and closes when the handshake fails or takes longer than `timeoutMs`. */
export function startTls(socket: Socket, options: ServerTls, timeoutMs: number): Promise<tls.TLSSocket> {
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

export interface Pop3Listener {
  readonly host: string
  readonly port: number
  /** Takes no new connections. */
  close(): Promise<void>
}

/** Binds `host:port` (port 0: any; host `::` takes IPv4 too) and hands connections to `server`; `implicitTls` for pop3s. Rejects when the port is taken. */
export async function listenPop3(
  server: Pop3Server,
  at: { readonly host: string; readonly port: number; readonly implicitTls: boolean; readonly reusePort?: boolean },
): Promise<Pop3Listener> {
  const listener = createServer({ noDelay: true, keepAlive: true }, (socket) => {
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

async function accept(server: Pop3Server, socket: Socket, implicitTls: boolean): Promise<void> {
  const client = await identifyClient(socket, server.proxies)
  if (!client) return
  if (await server.isBanned(client)) {
    socket.destroy()
    return
  }
  const place = server.admit(client)
  if (!place) {
    socket.end(implicitTls ? '' : '-ERR [SYS/TEMP] too many connections\r\n', () => socket.destroy())
    return
  }
  try {
    await server.handle(implicitTls ? await secure(server, socket) : socket, client)
  } finally {
    place.leave()
  }
}

function secure(server: Pop3Server, socket: Socket): Promise<tls.TLSSocket> {
  const options = server.tlsOptions()
  if (!options) throw new Error('no certificate')
  return startTls(socket, options, server.limits.tlsHandshakeMs)
}
