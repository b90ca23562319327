// One request to one address and its answer: the name is checked in the certificate, the address is the one given. Knows no redirects
// and no resolver. Loads Node's HTTP on first use.

import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import { EgressFault, type WebRequest, type WebResponse } from './types.ts'

export interface Exchange {
  readonly url: URL
  readonly ip: string
  readonly request: WebRequest
  readonly context: SecureContext | undefined
  readonly signal: AbortSignal
}

/** Header bytes of an answer. */
const maxHeader = 16_384
/** Hop by hop, or ours to say. */
const ours = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding'])

/** The host of a URL as an address or a name, without brackets. */
export const hostOf = ({ hostname }: URL): string => (hostname.startsWith('[') ? hostname.slice(1, -1) : hostname)

export async function exchange({ url, ip, request, context, signal }: Exchange): Promise<WebResponse> {
  const secure = url.protocol === 'https:'
  const { default: web } = await (secure ? import('node:https') : import('node:http'))
  const name = hostOf(url)
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  const headers: Record<string, string | number> = {}
  for (const [key, value] of Object.entries(request.headers ?? {}))
    if (!ours.has(key.toLowerCase())) headers[key] = value
  headers['host'] = url.host
  // What is not compressed cannot be a bomb.
  headers['accept-encoding'] = 'identity'
  headers['connection'] = 'close'
  if (body) headers['content-length'] = body.length
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(signal.aborted ? signal.reason : toFault(error, url))
    const asking = web.request(
      {
        // The address that was looked at, and no other: the name is not asked for again (DNS rebinding).
        host: ip,
        port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method: request.method ?? 'GET',
        headers,
        agent: false,
        maxHeaderSize: maxHeader,
        signal,
        ...(secure && { minVersion: 'TLSv1.2' as const, ...(isIP(name) === 0 && { servername: name }) }),
        ...(secure && context && { secureContext: context }),
      },
      (answer) => {
        read(answer, request.maxBytes).then((bytes) => resolve(toResponse(answer, bytes, url)), fail)
      },
    )
    // Nobody asked for another protocol.
    asking.on('upgrade', (_, socket) =>
      socket.destroy(new EgressFault('protocol', `${url.host} spoke another protocol`)),
    )
    asking.on('error', fail)
    asking.end(body)
  })
}

async function read(answer: IncomingMessage, most: number): Promise<Buffer> {
  const encoding = answer.headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') {
    answer.destroy()
    throw new EgressFault('protocol', 'the answer is compressed, which was not asked for')
  }
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > most) {
      answer.destroy()
      throw new EgressFault('too-large', `the answer has more than ${most} bytes`)
    }
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

function toResponse({ statusCode, headers }: IncomingMessage, body: Buffer, url: URL): WebResponse {
  const flat = Object.entries(headers).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ])
  return { status: statusCode ?? 0, headers: Object.fromEntries(flat), body, url: url.href }
}

/** Codes of OpenSSL and Node for a certificate that will not do. */
const certificateWords = [
  'CERT',
  'SELF_SIGNED',
  'UNABLE_TO_',
  'ISSUER',
  'CRL_',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
]

function toFault(error: unknown, { host }: URL): EgressFault {
  if (error instanceof EgressFault) return error
  const { code = '', message, syscall } = error as NodeJS.ErrnoException
  if (certificateWords.some((word) => code.includes(word)))
    return new EgressFault('certificate', `the certificate of ${host} will not do: ${message}`)
  if (code.startsWith('HPE_')) return new EgressFault('protocol', `${host} speaks no HTTP: ${message}`)
  return new EgressFault('connect', `no answer from ${host}: ${message}`, syscall === 'connect')
}
