// What speaks HTTP, plain and over TLS, on connections that listen.ts accepted.

import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { Log } from '../../base/index.ts'
import { type ServerTls, secureContext } from '../../tls/index.ts'
import { createHandler } from './app.ts'
import { acmeTls, answerChallenges, onlyChallenges } from './challenges.ts'
import type { HttpSources } from './types.ts'

export interface DoorOptions {
  readonly sources: HttpSources
  readonly tls: ServerTls
  readonly log: Log
}

export interface Door {
  take(socket: Socket, kind: Kind): void
  /** New connections get this certificate. */
  setCertificate(tls: ServerTls): void
  /** Closes the connections on which no request is under way. */
  stop(): void
}

/** `acme`: nothing but challenges of an authority is answered there. */
export type Kind = 'plain' | 'tls' | 'acme'

/** Servers without a port. */
export function createDoor({ sources, tls, log }: DoorOptions): Door {
  const handler = answerChallenges(sources, createHandler(sources, log))
  let { byName, ...first } = tls
  const plain = new http.Server(handler)
  const acme = new http.Server(answerChallenges(sources, onlyChallenges))
  const challenged = acmeTls(sources)
  const secure = new https.Server(
    {
      ...first,
      ALPNCallback: challenged.choose,
      SNICallback(this: TLSSocket, name: string, done: (error: null, context?: SecureContext) => void) {
        const found = byName?.(name)
        done(null, challenged.contextOf(this) ?? (found && secureContext(found)))
      },
    },
    handler,
  )
  // RFC 8737 §3: the handshake was the answer.
  secure.prependListener('secureConnection', challenged.end)
  const servers = { plain, tls: secure, acme }
  for (const server of Object.values(servers)) {
    server.headersTimeout = 10_000
    server.requestTimeout = 30_000
    // With this word Node begins to watch the time of its connections.
    server.emit('listening')
  }
  return {
    take: (socket, kind) => servers[kind].emit('connection', socket),
    setCertificate(next) {
      ;({ byName, ...first } = next)
      secure.setSecureContext(first)
    },
    stop() {
      for (const server of Object.values(servers)) server.close()
    },
  }
}
