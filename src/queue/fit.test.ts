// What a host may get of a message, by what it offers: sent as it is, in another form, or refused with the reason.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../address/index.ts'
import type { Batch, Mail } from './batch.ts'
import { openBytes } from './content.ts'
import { fit } from './fit.ts'
import type { Target } from './targets.ts'

const now = 1_000_000
const target: Target = {
  host: 'mx.b.test',
  ip: '192.0.2.1',
  port: 25,
  lmtp: false,
  tls: 'opportunistic',
  verify: false,
}
const verified = { version: 'TLSv1.3', cipher: 'x', authorized: true }
const umlaut = Buffer.from(
  'Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n',
)
const plain = Buffer.from('Subject: x\r\n\r\nhi\r\n')
const header8 = Buffer.from('Subject: Grüße\r\n\r\nhi\r\n')
const signed = Buffer.from(
  'Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\nGrüße\r\n--x\r\n\r\nsig\r\n--x--\r\n',
)

interface Case {
  readonly bytes?: Buffer
  readonly mail?: Partial<Mail>
  readonly to?: readonly string[]
  readonly offers?: string
  readonly tls?: typeof verified
  readonly target?: Partial<Target>
}

/** In short: what goes to whom, and who is refused why. */
async function tried({
  bytes = plain,
  mail,
  to = ['bob@b.test'],
  offers = '',
  tls,
  target: where,
}: Case): Promise<string> {
  const recipients = to.map((text) => ({ address: parseAddress(text)!, params: {} }))
  const facts = { sender: parseAddress('ann@a.test')!, utf8: false, body8: false, params: {}, size: bytes.length }
  const batch = { mail: { ...facts, ...mail }, recipients } as unknown as Batch
  const extensions = new Map(offers.split(' ').map((one) => one.split('=', 2) as [string, string]))
  const hop = { extensions, ...(tls && { tls }) }
  const found = await fit(batch, openBytes(bytes), hop, { ...target, ...where }, now)
  const refused = found.misfits.map(({ recipient, misfit }) => `${recipient.address.local} ${misfit.status}`)
  if (!found.mail) return refused.join(', ')
  const { utf8, body8, binary, recipients: sent, params, by, size, whole } = found.mail
  assert.equal(size, whole?.length)
  assert.equal(sent.length, found.recipients.length)
  const facts2 = { utf8, body8, binary, requireTls: params?.requireTls, by: by !== undefined }
  const words = Object.entries(facts2).flatMap(([name, is]) => (is ? [name] : []))
  if (whole !== bytes && !whole?.equals(bytes)) words.push('converted')
  return [`${sent.map(({ address }) => address.local).join('+')}: ${words.join(' ')}`.trim(), ...refused].join(', ')
}

const table = async (cases: readonly (readonly [expected: string, one: Case])[]) => {
  for (const [i, [expected, one]] of cases.entries()) assert.equal(await tried(one), expected, `case ${i}`)
}

test('SMTPUTF8: without it goes only what does not need it', () =>
  table([
    ['bob: utf8 body8', { bytes: header8, mail: { utf8: true, body8: true }, offers: 'SMTPUTF8 8BITMIME' }],
    ['bob 5.6.7', { bytes: header8, mail: { utf8: true, body8: true }, offers: '8BITMIME' }],
    // The client asked for it, the message does not need it.
    ['bob: body8', { bytes: umlaut, mail: { utf8: true, body8: true }, offers: '8BITMIME' }],
    ['bob: converted', { bytes: umlaut, mail: { utf8: true, body8: true } }],
    ['bob:, jörg 5.6.7', { mail: { utf8: true }, to: ['bob@b.test', 'jörg@b.test'] }],
    ['jörg 5.6.7', { mail: { utf8: true }, to: ['jörg@b.test'] }],
    ['bob 5.6.7', { mail: { utf8: true, sender: parseAddress('jörg@a.test')! } }],
    // RFC 6531 §3.1: SMTPUTF8 takes eight bits.
    ['bob: utf8 body8', { bytes: header8, mail: { utf8: true, body8: true }, offers: 'SMTPUTF8' }],
  ]))

test('eight bits and binary: as they are, converted, or not at all', () =>
  table([
    ['bob: body8', { bytes: umlaut, mail: { body8: true }, offers: '8BITMIME' }],
    ['bob: converted', { bytes: umlaut, mail: { body8: true } }],
    ['bob 5.6.2', { bytes: signed, mail: { body8: true } }],
    ['bob: body8', { bytes: signed, mail: { body8: true }, offers: '8BITMIME' }],
    [
      'bob: body8 binary',
      { bytes: umlaut, mail: { body8: true, params: { binary: true } }, offers: 'BINARYMIME CHUNKING' },
    ],
    ['bob: body8', { bytes: umlaut, mail: { body8: true, params: { binary: true } }, offers: 'BINARYMIME 8BITMIME' }],
    ['bob: converted', { bytes: umlaut, mail: { body8: true, params: { binary: true } }, offers: 'CHUNKING' }],
    ['bob: converted', { bytes: header8, mail: { body8: true } }],
  ]))

test('REQUIRETLS: only over verified TLS to who promises the same (RFC 8689 §4.2.1)', () => {
  const params = { requireTls: true }
  return table([
    ['bob: requireTls', { mail: { params }, tls: verified, offers: 'REQUIRETLS' }],
    ['bob 5.7.30', { mail: { params }, tls: { ...verified, authorized: false }, offers: 'REQUIRETLS' }],
    ['bob 5.7.30', { mail: { params }, tls: verified }],
    ['bob 5.7.30', { mail: { params }, offers: 'REQUIRETLS' }],
    // Into a mailbox of this machine; elsewhere LMTP is a hop like others.
    ['bob:', { mail: { params }, target: { lmtp: true, host: 'localhost', path: '/run/lmtp' } }],
    ['bob:', { mail: { params }, target: { lmtp: true, host: '127.0.0.1' } }],
    ['bob 5.7.30', { mail: { params }, target: { lmtp: true } }],
  ])
})

test('DELIVERBY: what must come back in time goes only to who will send it back', () => {
  const by = (mode: 'return' | 'notify', seconds: number) => ({
    params: { by: { at: now + seconds * 1000, mode, trace: false } },
  })
  return table([
    ['bob: by', { mail: by('return', 60), offers: 'DELIVERBY' }],
    ['bob: by', { mail: by('return', 60), offers: 'DELIVERBY=60' }],
    ['bob 5.4.7', { mail: by('return', 59), offers: 'DELIVERBY=60' }],
    ['bob 5.3.3', { mail: by('return', 60) }],
    ['bob: by', { mail: by('notify', 60) }],
    ['bob: by', { mail: by('notify', -5), offers: 'DELIVERBY=60' }],
    ['bob: by', { mail: by('return', 60), target: { lmtp: true } }],
  ])
})

test('SIZE counts what is sent, not what is stored', () =>
  table([
    ['bob 5.3.4', { offers: 'SIZE=10' }],
    ['bob:', { offers: 'SIZE=0' }],
    [`bob:`, { offers: `SIZE=${plain.length}` }],
    ['bob 5.3.4', { bytes: umlaut, mail: { body8: true }, offers: `SIZE=${umlaut.length}` }],
  ]))
