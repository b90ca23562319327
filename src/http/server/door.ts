// What speaks HTTP, plain and over TLS, on connections that listen.ts accepted.

import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { Log } from '../../base/index.ts'
import { createHandler } from './app.ts'
import type { HttpSources } from './types.ts'

export interface DoorOptions {
  readonly sources: HttpSources
  readonly tls: SecureContextOptions
  readonly log: Log
}

export interface Door {
  take(socket: Socket, tls: boolean): void
  /** New connections get this certificate. */
  setCertificate(tls: SecureContextOptions): void
  /** Closes the connections on which no request is under way. */
  stop(): void
}

/** Two servers without a port. */
export function createDoor({ sources, tls, log }: DoorOptions): Door {
  const handler = createHandler(sources, log)
  const plain = new http.Server(handler)
  const secure = new https.Server({ ...tls }, handler)
  for (const server of [plain, secure]) {
    server.headersTimeout = 10_000
    server.requestTimeout = 30_000
    // With this word Node begins to watch the time of its connections.
    server.emit('listening')
  }
  return {
    take: (socket, tls) => (tls ? secure : plain).emit('connection', socket),
    setCertificate: (next) => secure.setSecureContext(next),
    stop() {
      for (const server of [plain, secure]) server.close()
    },
  }
}
