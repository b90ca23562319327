// Pieces of ACME as text and values: signatures, problems, waiting, renewal windows.

import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { fakeClock } from '../../base/index.ts'
import { octets, oid, sequence, tagged } from '../der.ts'
import { createSelfSigned } from '../self-signed.ts'
import { createAcmeClient } from './client.ts'
import { keyAuthorization, macJws, makeAccountKey, signJws, thumbprint, toJwk } from './jws.ts'
import { retryAfterMs, toError } from './problem.ts'
import { planRenewal, thirdBeforeEnd } from './renewal.ts'
import { AcmeError, type WebRequest, type WebResponse } from './types.ts'

const decode = (text: string) => Buffer.from(text, 'base64url').toString()

test('a request is signed with ES256 and says where it goes', () => {
  const key = makeAccountKey()
  const jws = JSON.parse(signJws(key, { nonce: 'n', url: 'u', jwk: toJwk(key) }, { a: 1 }))
  const header = JSON.parse(decode(jws.protected))
  assert.deepEqual([header.alg, header.nonce, header.url, header.jwk.kty], ['ES256', 'n', 'u', 'EC'])
  const publicKey = createPublicKey({ key: header.jwk, format: 'jwk' })
  const signature = Buffer.from(jws.signature, 'base64url')
  const signed = Buffer.from(`${jws.protected}.${jws.payload}`)
  assert.ok(verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature))
  assert.equal(JSON.parse(signJws(key, {}, undefined)).payload, '')
  assert.equal(keyAuthorization('t', key), `t.${thumbprint(key)}`)
  assert.match(thumbprint(key), /^[\w-]{43}$/)
  assert.equal(JSON.parse(decode(JSON.parse(macJws('c2VjcmV0', { kid: 'k' }, {})).protected)).alg, 'HS256')
})

test('problems are told in words, with what the authority says in one line', () => {
  const urn = (type: string) => `urn:ietf:params:acme:error:${type}`
  const error = toError(
    {
      type: urn('rejectedIdentifier'),
      detail: 'no\r\nway',
      subproblems: [{ type: urn('caa'), detail: 'forbidden', identifier: { type: 'dns', value: 'b.test' } }],
    },
    'a.test',
  )
  assert.equal(error.message, 'a.test: the authority does not issue for this name (it says: no way; b.test: forbidden)')
  assert.deepEqual([error.code, error.type], ['denied', 'rejectedIdentifier'])
  assert.deepEqual(
    [toError({ type: urn('rateLimited') }, 'x', 5).code, toError({ type: urn('rateLimited') }, 'x', 5).waitMs],
    ['limit', 5],
  )
  for (const odd of [{}, { type: 5 }, { type: urn('constructor') }, { detail: {} }, { subproblems: [null, 1] }])
    assert.equal(toError(odd, 'x').message.split(' (')[0], 'x: the authority refuses')
})

test('Retry-After is seconds or a date', () => {
  const clock = fakeClock()
  const wait = (text?: string) =>
    retryAfterMs(
      { status: 200, headers: text === undefined ? {} : { 'retry-after': text }, body: Buffer.alloc(0) },
      clock,
    )
  assert.deepEqual(
    [wait(), wait('7'), wait('soon'), wait(new Date(clock.now() - 5000).toUTCString())],
    [undefined, 7000, undefined, 0],
  )
  assert.ok(Math.abs(wait(new Date(clock.now() + 60_000).toUTCString())! - 60_000) < 1000)
})

const response = (status: number, value: object, headers: Record<string, string> = {}): WebResponse => ({
  status,
  headers,
  body: Buffer.from(JSON.stringify(value)),
})
const directory = {
  newNonce: 'https://ca/n',
  newAccount: 'https://ca/a',
  newOrder: 'https://ca/o',
  meta: { caaIdentities: ['ca'] },
}

test('a refused nonce is tried again with the one that came with the refusal, for a while', async () => {
  const nonces: string[] = []
  const bad = { type: 'urn:ietf:params:acme:error:badNonce', detail: 'no' }
  let refusals = 3
  const transport = async ({ method, url, body }: WebRequest) => {
    if (url === 'https://ca/dir') return response(200, directory)
    if (method === 'HEAD') return response(200, {}, { 'replay-nonce': 'first' })
    nonces.push(JSON.parse(decode(JSON.parse(body!).protected)).nonce)
    const headers = { 'replay-nonce': `after-${nonces.length}` }
    return refusals-- > 0 ? response(400, bad, headers) : response(200, { ok: true }, headers)
  }
  const client = createAcmeClient({ url: 'https://ca/dir', transport, clock: fakeClock() })
  const signer = { key: makeAccountKey() }
  assert.deepEqual((await client.post('https://ca/x', {}, signer, 'x')).json, { ok: true })
  assert.deepEqual(nonces, ['first', 'after-1', 'after-2', 'after-3'])
  refusals = 100
  await assert.rejects(
    client.post('https://ca/x', {}, signer, 'x'),
    (error) => error instanceof AcmeError && error.type === 'badNonce',
  )
  assert.equal(nonces.length, 12)
})

test('what is no directory is refused; an outage is asked again', async () => {
  let broken = true
  const transport = async () => (broken ? response(503, {}) : response(200, { x: 1 }))
  const client = createAcmeClient({ url: 'https://ca/dir', transport, clock: fakeClock() })
  await assert.rejects(client.directory(), /answers with HTTP status 503/)
  broken = false
  await assert.rejects(client.directory(), /is no ACME directory/)
})

test('a renewal falls into the window of the authority, and stays where it was planned; else a third of the life is left', async () => {
  const now = Date.UTC(2026, 10, 22)
  const day = 86_400_000
  const key = sequence(oid('2.5.29.35'), octets(sequence(tagged(0, false, Buffer.from('00', 'hex')))))
  const life = { chain: createSelfSigned(['a.test'], now, [key]).cert, notBefore: now, notAfter: now + 90 * day }
  const client = (answer: object, retryAfter?: number) => ({
    directory: async () => ({ ...directory, renewalInfo: 'https://ca/ri', meta: { caaIdentities: [], profiles: [] } }),
    get: async () => ({
      json: answer as Record<string, unknown>,
      text: '',
      location: undefined,
      retryAfterMs: retryAfter,
    }),
  })
  const window = (from: number, to: number) => ({
    suggestedWindow: { start: new Date(now + from * day).toISOString(), end: new Date(now + to * day).toISOString() },
    explanationURL: 'https://ca/why',
  })
  const plan = (answer: object, planned?: number, retryAfter?: number) =>
    planRenewal(client(answer, retryAfter), { ...life, planned }, now, () => 0.5)
  assert.deepEqual(await plan(window(20, 30), undefined, 3_600_000), {
    renewAt: now + 25 * day,
    askAt: now + 3_600_000,
    suggested: true,
    explanation: 'https://ca/why',
  })
  assert.equal((await plan(window(20, 30), now + 21 * day)).renewAt, now + 21 * day)
  // It was moved: something happened to the certificate.
  assert.equal((await plan(window(-2, -1), now + 21 * day)).renewAt, now - 1.5 * day)
  // Hours of silence, or none at all, are not believed.
  assert.deepEqual(
    [(await plan(window(1, 2), undefined, 0)).askAt, (await plan(window(1, 2), undefined, 90 * day)).askAt],
    [now + 60_000, now + day],
  )
  for (const odd of [
    {},
    { suggestedWindow: 'x' },
    window(3, 3),
    window(4, 3),
    { suggestedWindow: { start: 1, end: {} } },
  ])
    assert.deepEqual([(await plan(odd)).renewAt, (await plan(odd)).suggested], [now + 60 * day, false])
  const silent = { directory: client({}).directory, get: () => Promise.reject(new Error('down')) }
  assert.equal((await planRenewal(silent, life, now)).renewAt, thirdBeforeEnd(life))
})
