// The routes of the web door on fastify, which is loaded with the first request: a mail server need not wait for it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Log, toClientIp } from '../../base/index.ts'
import type { HttpSources } from './types.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A handler for any number of node servers; each request waits until the routes are there. */
export function createHandler(sources: HttpSources, log: Log): Handler {
  let routes: Promise<Handler> | undefined
  return (request, response) => {
    routes ??= loadRoutes(sources, log)
    routes.then(
      (handle) => handle(request, response),
      (error: unknown) => {
        log.error({ err: error }, 'http: the routes could not be loaded')
        response.writeHead(500).end()
      },
    )
  }
}

async function loadRoutes(sources: HttpSources, log: Log): Promise<Handler> {
  const { default: fastify } = await import('fastify')
  const app = fastify({ logger: false, bodyLimit: 1024, requestTimeout: 30_000 })
  app.addHook('onRequest', async (request, reply) => {
    // Whoever watches over the server asks often, and from anywhere.
    if (!sources.admit || request.url === '/health') return
    const admission = await sources.admit(toClientIp(request.socket.remoteAddress))
    if (admission.ok) return
    // RFC 6585 §4
    reply.code(429).header('retry-after', `${Math.max(1, Math.ceil(admission.retryMs / 1000))}`)
    return reply.send({ error: 'too many requests from your address; try again later' })
  })
  app.get('/health', async (_, reply) => {
    const health = await sources.health()
    reply.code(health.status === 'ok' ? 200 : 503).header('cache-control', 'no-store')
    return health
  })
  app.get('/metrics', async (_, reply) => {
    reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
    return sources.metrics()
  })
  // RFC 8461 §3.2; under the one name that others ask, and no other.
  app.get('/.well-known/mta-sts.txt', async (request, reply) => {
    const text = await sources.stsPolicy?.(request.hostname)
    if (text === undefined) return reply.code(404).send({ error: 'there is no policy here' })
    return reply.header('content-type', 'text/plain; charset=utf-8').header('cache-control', 'no-store').send(text)
  })
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'there is nothing here' }))
  app.setErrorHandler((error: Error & { statusCode?: number }, _, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) log.error({ err: error }, 'http: a request failed')
    return reply.code(status).send({ error: status >= 500 ? 'the server failed; its log says why' : error.message })
  })
  await app.ready()
  return (request, response) => app.routing(request, response)
}
