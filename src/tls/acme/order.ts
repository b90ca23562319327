// One order from its beginning to the certificate (RFC 8555 §7.4). How a name is proven, the solver knows.

import type { Clock } from '../../base/index.ts'
import type { AcmeClient, Answer, Signer } from './client.ts'
import { keyAuthorization } from './jws.ts'
import { type Problem, toError } from './problem.ts'
import { AcmeError, type ChallengeType } from './types.ts'

/** Makes what proves a name; what it returns takes it away again. */
export interface Solver {
  readonly type: ChallengeType
  /** Of all names of an order at once. */
  present(proofs: readonly Proof[]): Promise<() => Promise<void>>
}
export interface Proof {
  /** Without the `*.` of a wildcard. */
  readonly name: string
  readonly token: string
  readonly keyAuthorization: string
}

export interface Order {
  readonly names: readonly string[]
  /** DER. */
  readonly request: Buffer
  /** Which certificate it takes the place of (RFC 9773 §5). */
  readonly replaces?: string
  readonly profile?: string
}

const firstPollMs = 500
const lastPollMs = 15_000
/** Authorities take seconds; a minute is patience, more is a fault. */
const patienceMs = 120_000

interface Context {
  readonly client: AcmeClient
  readonly signer: Signer & { readonly kid: string }
  readonly solver: Solver
  readonly clock: Clock
}

/** The chain, PEM. Throws AcmeError naming the name that failed and why, or Fault of the solver. */
export async function orderCertificate(context: Context, order: Order): Promise<string> {
  const { client, signer } = context
  const begun = await beginOrder(context, order)
  const orderUrl = begun.location
  if (orderUrl === undefined) throw new AcmeError('unavailable', 'the new order has no address', '')
  await prove(context, strings(begun.json['authorizations']))
  const about = `the order for ${order.names.join(', ')}`
  const ready = await poll(context, orderUrl, about, ({ status }) => status !== 'pending')
  if (ready.json['status'] === 'invalid') throw orderError(ready, about)
  if (ready.json['status'] === 'ready') {
    const finalize = String(ready.json['finalize'])
    await client.post(finalize, { csr: order.request.toString('base64url') }, signer, about)
  }
  const done = await poll(context, orderUrl, about, ({ status }) => status === 'valid' || status === 'invalid')
  if (done.json['status'] !== 'valid') throw orderError(done, about)
  const type = 'application/pem-certificate-chain'
  return (await client.post(String(done.json['certificate']), undefined, signer, about, type)).text
}

async function beginOrder({ client, signer }: Context, { names, replaces, profile }: Order): Promise<Answer> {
  const { newOrder } = await client.directory()
  const identifiers = names.map((value) => ({ type: 'dns', value }))
  const about = `an order for ${names.join(', ')}`
  const begin = (more: object) =>
    client.post(newOrder, { identifiers, ...(profile !== undefined && { profile }), ...more }, signer, about)
  if (replaces === undefined) return begin({})
  try {
    return await begin({ replaces })
  } catch (error) {
    // RFC 9773 §5: it is replaced already, or the authority forgot it. The order is good without it too.
    if (!(error instanceof AcmeError) || !['alreadyReplaced', 'malformed', 'serverInternal'].includes(error.type))
      throw error
    return begin({})
  }
}

/** Proves every name that is not proven yet. */
async function prove(context: Context, urls: readonly string[]): Promise<void> {
  const { client, signer, solver } = context
  const wanted: (Proof & { readonly url: string; readonly challenge: string })[] = []
  for (const url of urls) {
    const { json } = await client.post(url, undefined, signer, 'an authorization')
    const { status, challenges } = json
    const name = String((json['identifier'] as { value?: unknown } | undefined)?.value)
    if (status === 'valid') continue
    const list = Array.isArray(challenges) ? (challenges as Record<string, unknown>[]) : []
    const chosen = list.find(({ type }) => type === solver.type)
    if (!chosen) {
      const offered = list.map(({ type }) => String(type)).join(', ')
      throw new AcmeError(
        'unsupported',
        `${name}: the authority does not offer ${solver.type}, only ${offered}: set acme.challenge`,
        '',
      )
    }
    const token = String(chosen['token'])
    // RFC 8555 §8.1: it becomes part of a path and of a name.
    if (!/^[A-Za-z0-9_-]{20,200}$/.test(token)) throw new AcmeError('invalid', `${name}: a token that is none`, '')
    wanted.push({
      url,
      challenge: String(chosen['url']),
      name,
      token,
      keyAuthorization: keyAuthorization(token, signer.key),
    })
  }
  if (wanted.length === 0) return
  const takeAway = await solver.present(wanted)
  try {
    for (const { challenge, name } of wanted) await client.post(challenge, {}, signer, name)
    const results = await Promise.allSettled(wanted.map((one) => awaitValid(context, one.url, one.name)))
    const failed = results.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  } finally {
    await takeAway()
  }
}

async function awaitValid(context: Context, url: string, name: string): Promise<void> {
  const { json } = await poll(context, url, name, ({ status }) => status !== 'pending' && status !== 'processing')
  if (json['status'] === 'valid') return
  const challenges = Array.isArray(json['challenges']) ? (json['challenges'] as { error?: Problem }[]) : []
  const problem = challenges.find(({ error }) => error)?.error
  if (problem) throw toError(problem, name)
  throw new AcmeError('denied', `${name}: the authorization is ${String(json['status'])}`, '')
}

/** Asks again until `done`, as often as the authority likes it. */
async function poll(
  { client, signer, clock }: Context,
  url: string,
  about: string,
  done: (json: Readonly<Record<string, unknown>>) => boolean,
): Promise<Answer> {
  const began = clock.monotonic()
  for (let wait = firstPollMs; ; wait = Math.min(wait * 2, lastPollMs)) {
    const answer = await client.post(url, undefined, signer, about)
    if (done(answer.json)) return answer
    const next = Math.min(Math.max(answer.retryAfterMs ?? wait, firstPollMs), lastPollMs)
    if (clock.monotonic() - began + next > patienceMs)
      throw new AcmeError(
        'unavailable',
        `${about}: still ${String(answer.json['status'])} after ${patienceMs / 1000} s`,
        '',
      )
    await new Promise<void>((resolve) => void clock.after(next, resolve))
  }
}

function orderError({ json }: Answer, about: string): AcmeError {
  const problem = json['error'] as Problem | undefined
  return problem ? toError(problem, about) : new AcmeError('denied', `${about} is ${String(json['status'])}`, '')
}

const strings = (list: unknown): string[] => (Array.isArray(list) ? list.map(String) : [])
