// An authority's problem documents (RFC 7807, RFC 8555 §6.7) in words that name what to do.

import type { Clock, FaultCode } from '../../base/index.ts'
import { AcmeError, type WebResponse } from './types.ts'

/** As it comes over the wire: nothing of it is sure. */
export interface Problem {
  readonly type?: unknown
  readonly detail?: unknown
  readonly subproblems?: unknown
}

const prefix = 'urn:ietf:params:acme:error:'

const meanings: Readonly<Record<string, readonly [FaultCode, string]>> = {
  accountDoesNotExist: ['not-found', 'the authority does not know our account'],
  alreadyReplaced: ['conflict', 'the certificate was replaced already'],
  alreadyRevoked: ['conflict', 'the certificate was revoked already'],
  badCSR: ['invalid', 'the authority does not take the request: another acme.keyType may help'],
  badNonce: ['unavailable', 'the authority took none of our nonces'],
  badPublicKey: ['invalid', 'the authority does not take this kind of key: set acme.keyType'],
  badRevocationReason: ['invalid', 'the authority does not take this reason'],
  caa: ['denied', 'a CAA record in the DNS forbids this authority to issue: see posthorn dns'],
  connection: [
    'unavailable',
    'the authority could not connect to us: is the port open to the internet (80 for http-01, 443 for tls-alpn-01)?',
  ],
  dns: [
    'unavailable',
    'the authority could not look the name up: does it exist, and do all name servers of the zone answer?',
  ],
  externalAccountRequired: ['denied', 'the authority wants an account that it knows: set acme.eab'],
  incorrectResponse: [
    'denied',
    'what the authority found is not our answer: does the name lead here, and nothing in front answer in our place?',
  ],
  invalidContact: ['invalid', 'the authority does not take the address: set acme.email'],
  invalidProfile: ['invalid', 'the authority has no such profile: set acme.profile'],
  malformed: ['invalid', 'the authority does not understand the request'],
  orderNotReady: ['conflict', 'the order is not ready'],
  rateLimited: ['limit', 'the authority has had enough requests of this kind for now'],
  rejectedIdentifier: ['denied', 'the authority does not issue for this name'],
  serverInternal: ['unavailable', 'the authority has trouble of its own'],
  tls: ['unavailable', 'the authority could not speak TLS with us on port 443'],
  unauthorized: ['denied', 'the authority does not believe that the name is ours: does it lead here?'],
  unsupportedContact: ['invalid', 'the authority does not take this kind of address: set acme.email'],
  unsupportedIdentifier: ['invalid', 'the authority does not issue for this kind of name'],
  userActionRequired: ['denied', 'the authority wants something done first, such as agreeing to new terms'],
}

/** The error for a problem; `about` says what was being done, or for which name. */
export function toError(problem: Problem, about: string, waitMs?: number): AcmeError {
  const whole = typeof problem.type === 'string' ? problem.type : ''
  const type = whole.startsWith(prefix) ? whole.slice(prefix.length) : ''
  const [code, meaning] = (Object.hasOwn(meanings, type) && meanings[type]) || ['unavailable', 'the authority refuses']
  const said = [problem.detail, ...subDetails(problem)].map(toLine).filter((text) => text !== '')
  return new AcmeError(
    code,
    `${about}: ${meaning}${said.length > 0 ? ` (it says: ${said.join('; ')})` : ''}`,
    type,
    waitMs,
  )
}

/** Each name may have its own problem (RFC 8555 §6.7.1). */
function subDetails({ subproblems }: Problem): unknown[] {
  if (!Array.isArray(subproblems)) return []
  return subproblems.slice(0, 10).map((one: { detail?: unknown; identifier?: { value?: unknown } }) => {
    const detail = toLine(one?.detail)
    return detail === '' ? '' : `${toLine(one?.identifier?.value)}: ${detail}`
  })
}

/** A stranger's text in one line of ours. */
function toLine(text: unknown): string {
  return typeof text === 'string'
    ? text
        .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
        .slice(0, 500)
        .trim()
    : ''
}

/** How long the answer wants us to wait: seconds or a date (RFC 9110 §10.2.3); undefined when it does not say. */
export function retryAfterMs({ headers }: WebResponse, clock: Clock): number | undefined {
  const text = headers['retry-after']
  if (text === undefined) return undefined
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - clock.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
