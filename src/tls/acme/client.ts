// Speaks ACME (RFC 8555 §6) with one authority: directory, nonces, signed requests, problems. Knows requests, not what they are for.

import type { Clock } from '../../base/index.ts'
import { signJws, toJwk } from './jws.ts'
import { type Problem, retryAfterMs, toError } from './problem.ts'
import { AcmeError, type Transport, type WebResponse } from './types.ts'

export interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  readonly revokeCert?: string
  readonly renewalInfo?: string
  readonly meta: {
    readonly termsOfService?: string
    /** What it calls itself in CAA records. */
    readonly caaIdentities: readonly string[]
    readonly profiles: readonly string[]
  }
}

/** An answer that is no refusal. */
export interface Answer {
  /** The JSON of the body, when it is an object. */
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
  readonly location: string | undefined
  readonly retryAfterMs: number | undefined
}

/** As whom a request is signed: an account, or a key that has none yet. */
export interface Signer {
  readonly key: string
  /** URL of the account. */
  readonly kid?: string
}

export interface AcmeClient {
  readonly url: string
  directory(): Promise<Directory>
  /** `payload` undefined: POST-as-GET. `about` begins what is said when it fails. Throws AcmeError, or Fault `unavailable`. */
  post(url: string, payload: unknown, signer: Signer, about: string, accept?: string): Promise<Answer>
  /** Without a signature; for renewal information. */
  get(url: string, about: string): Promise<Answer>
}

/** Some authorities refuse nonces for sport. */
const nonceTries = 8
const mostNonces = 10

export function createAcmeClient({
  url,
  transport,
  clock,
}: {
  readonly url: string
  readonly transport: Transport
  readonly clock: Clock
}): AcmeClient {
  const nonces: string[] = []
  let known: Promise<Directory> | undefined
  const keepNonce = ({ headers }: WebResponse) => {
    const nonce = headers['replay-nonce']
    if (nonce !== undefined && nonces.length < mostNonces) nonces.push(nonce)
  }
  const get = async (from: string, about: string): Promise<Answer> => {
    const response = await transport({ method: 'GET', url: from, headers: { accept: 'application/json' } })
    return toAnswer(response, about)
  }
  const toAnswer = (response: WebResponse, about: string): Answer => {
    const text = response.body.toString('utf8')
    const json = parseObject(text)
    const waitMs = retryAfterMs(response, clock)
    if (response.status >= 400) throw toRefusal(response.status, json, about, waitMs)
    return { json, text, location: response.headers['location'], retryAfterMs: waitMs }
  }
  const directory = () => {
    known ??= get(url, `the directory ${url}`).then(({ json }) => toDirectory(json, url))
    // An outage is not kept.
    known.catch(() => (known = undefined))
    return known
  }
  const nonce = async (): Promise<string> => {
    const kept = nonces.pop()
    if (kept !== undefined) return kept
    const { newNonce } = await directory()
    const response = await transport({ method: 'HEAD', url: newNonce })
    const fresh = response.headers['replay-nonce']
    if (fresh === undefined) throw new AcmeError('unavailable', `${newNonce} gives no nonce`, '')
    return fresh
  }
  return {
    url,
    directory,
    get,
    async post(to, payload, { key, kid }, about, accept = 'application/json') {
      for (let tries = 1; ; tries++) {
        const header = { nonce: await nonce(), url: to, ...(kid === undefined ? { jwk: toJwk(key) } : { kid }) }
        const response = await transport({
          method: 'POST',
          url: to,
          headers: { 'content-type': 'application/jose+json', accept },
          body: signJws(key, header, payload),
        })
        keepNonce(response)
        try {
          return toAnswer(response, about)
        } catch (error) {
          // RFC 8555 §6.5: the answer brought a new one.
          if (!(error instanceof AcmeError) || error.type !== 'badNonce' || tries >= nonceTries) throw error
        }
      }
    },
  }
}

function toRefusal(status: number, json: Problem, about: string, waitMs: number | undefined): AcmeError {
  if (json.type !== undefined) return toError(json, about, waitMs)
  const code = status === 404 ? 'not-found' : 'unavailable'
  return new AcmeError(code, `${about}: the authority answers with HTTP status ${status}`, '', waitMs)
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  if (!text.startsWith('{')) return {}
  try {
    const found: unknown = JSON.parse(text)
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function toDirectory(json: Readonly<Record<string, unknown>>, url: string): Directory {
  const { newNonce, newAccount, newOrder, revokeCert, renewalInfo } = json
  const meta = (typeof json['meta'] === 'object' && json['meta'] !== null ? json['meta'] : {}) as Record<
    string,
    unknown
  >
  if (typeof newNonce !== 'string' || typeof newAccount !== 'string' || typeof newOrder !== 'string')
    throw new AcmeError('invalid', `${url} is no ACME directory`, '')
  const { termsOfService, caaIdentities, profiles } = meta
  return {
    newNonce,
    newAccount,
    newOrder,
    ...(typeof revokeCert === 'string' && { revokeCert }),
    ...(typeof renewalInfo === 'string' && { renewalInfo }),
    meta: {
      ...(typeof termsOfService === 'string' && { termsOfService }),
      caaIdentities: Array.isArray(caaIdentities) ? caaIdentities.filter((one) => typeof one === 'string') : [],
      profiles: typeof profiles === 'object' && profiles !== null ? Object.keys(profiles) : [],
    },
  }
}
