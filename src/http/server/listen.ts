// Opens the web door's ports. The routes stand in app.ts.

import http from 'node:http'
import https from 'node:https'
import type { Server } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { Log } from '../../base/index.ts'
import { createHandler } from './app.ts'
import type { HttpSources } from './types.ts'

export interface HttpServer {
  /** Opens one port; resolves with the port that was bound. */
  listen(endpoint: { host: string; port: number; tls: boolean; reusePort?: boolean }): Promise<number>
  /** New connections get this certificate. */
  setCertificate(tls: SecureContextOptions): void
  /** Stops accepting and lets requests in flight end. */
  stop(): Promise<void>
}

/** More than this many open connections are closed at once: nothing here needs them. */
const maxConnections = 500

export function createHttpServer(options: { sources: HttpSources; tls: SecureContextOptions; log: Log }): HttpServer {
  const handler = createHandler(options.sources, options.log)
  const plain: http.Server[] = []
  const secure: https.Server[] = []
  let tls = options.tls
  return {
    async listen({ host, port, tls: implicit, reusePort }) {
      const server = implicit ? https.createServer({ ...tls }, handler) : http.createServer(handler)
      server.maxConnections = maxConnections
      server.headersTimeout = 10_000
      server.requestTimeout = 30_000
      await open(server, { host, port, reusePort: reusePort === true })
      if (implicit) secure.push(server as https.Server)
      else plain.push(server as http.Server)
      return (server.address() as { port: number }).port
    },
    setCertificate(next) {
      tls = next
      for (const server of secure) server.setSecureContext(tls)
    },
    async stop() {
      await Promise.all(
        [...plain, ...secure].map(
          (server) =>
            new Promise((resolve) => {
              server.close(resolve)
              server.closeIdleConnections()
            }),
        ),
      )
    },
  }
}

function open(server: Server, at: { host: string; port: number; reusePort: boolean }): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(at, () => resolve()))
}
