// Challenges of certificate authorities as the web door answers them: a token over HTTP (RFC 8555 §8.3), a certificate in a
// handshake (RFC 8737). Knows no order and no account; what is to be proven, the sources say.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SecureContext, TLSSocket } from 'node:tls'
import { secureContext } from '../../tls/index.ts'
import type { HttpSources } from './types.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const prefix = '/.well-known/acme-challenge/'

/** Answers what is asked below `/.well-known/acme-challenge/`; anything else is for `next`. */
export function answerChallenges(sources: HttpSources, next: Handler): Handler {
  return (request, response) => {
    const { url = '', method } = request
    if (!url.startsWith(prefix) || (method !== 'GET' && method !== 'HEAD')) return next(request, response)
    const answer = sources.challenge?.(url.slice(prefix.length))
    if (answer === undefined) return onlyChallenges(request, response)
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': answer.length })
    response.end(method === 'HEAD' ? undefined : answer)
  }
}

/** There is nothing else here. */
export const onlyChallenges: Handler = (_, response) => {
  response.writeHead(404, { 'content-type': 'text/plain', 'content-length': 0 }).end()
}

const protocol = 'acme-tls/1'

/** Chooses the protocol of a TLS connection, and for `acme-tls/1` its certificate. */
export function acmeTls(sources: HttpSources) {
  const challenged = new WeakMap<TLSSocket, SecureContext>()
  return {
    choose(this: unknown, { servername, protocols }: { servername: string; protocols: string[] }): string | undefined {
      if (!protocols.includes(protocol)) return protocols.includes('http/1.1') ? 'http/1.1' : undefined
      const options = sources.challengeCertificate?.(servername.toLowerCase())
      if (!options) return undefined
      // OpenSSL asks for the certificate before the protocol under TLS 1.2, and after it under TLS 1.3.
      const socket = this as TLSSocket & { setKeyCert(context: SecureContext): void }
      const context = secureContext(options)
      socket.setKeyCert(context)
      challenged.set(socket, context)
      return protocol
    },
    contextOf: (socket: TLSSocket) => challenged.get(socket),
    end(socket: TLSSocket): void {
      if (socket.alpnProtocol === protocol) socket.end()
    },
  }
}
