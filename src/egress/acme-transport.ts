// HTTP outward for certificates: one request, one answer, bounded in time and size; no redirects. Knows nothing of what is asked.

import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import { Fault } from '../base/index.ts'

interface Request {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const timeoutMs = 30_000
const maxBytes = 2 ** 20
const agentName = 'posthorn'

/** `ca`: PEM of authorities to be trusted besides the usual ones. Fault `invalid` for what is no https URL, `unavailable` for no answer. */
export function createAcmeTransport({ ca }: { readonly ca?: string } = {}): (request: Request) => Promise<Response> {
  return ({ method, url, headers, body }) =>
    new Promise((resolve, reject) => {
      const fail = (words: string) => reject(new Fault('unavailable', `${url}: ${words}`))
      if (!isAllowed(url)) return reject(new Fault('invalid', `${url}: only https is spoken with others`))
      const options = {
        method,
        headers: { 'user-agent': agentName, ...headers },
        timeout: timeoutMs,
        agent: false as const,
      }
      const heard = (response: http.IncomingMessage) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > maxBytes) request.destroy(new Error('an answer of more than 1 MiB'))
          else chunks.push(chunk)
        })
        response.on('error', (error) => fail(error.message))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: plain(response.headers), body: Buffer.concat(chunks) }),
        )
      }
      const request = url.startsWith('https:')
        ? https.request(url, { ...options, ...(ca !== undefined && { ca: [...trusted(), ca] }) }, heard)
        : http.request(url, options, heard)
      // The timeout of a request is one of silence; this is for all of it.
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
      request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
      request.on('error', (error) => fail(error.message))
      request.on('close', () => clearTimeout(timer))
      request.end(body)
    })
}

function isAllowed(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
}

const plain = (headers: http.IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  )

let usual: string[] | undefined
function trusted(): string[] {
  usual ??= tls.getCACertificates('default')
  return usual
}
