import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { realClock, silentLog } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { createVerifier, isSameRecord, makeDkimKey, openDkimKey, signDkim, toDkimRecord } from './index.ts'

const now = 1_700_000_000
const pem = (type: 'rsa' | 'ed25519') =>
  type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString()
    : generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const pems = { rsa: pem('rsa'), ed: pem('ed25519') }
const keys = Object.entries(pems).map(([selector, text]) => ({
  domain: 'a.test',
  selector,
  privateKey: openDkimKey(text),
}))
const zone = Object.entries(pems)
  .map(([selector, text]) => `${selector}._domainkey.a.test TXT "${toDkimRecord(text)}"`)
  .join('\n')
const verifier = createVerifier({
  resolver: zoneResolver(zone),
  clock: realClock,
  log: silentLog,
  authservId: 'mx.test',
})

async function results(header: Buffer, body: Buffer): Promise<string[]> {
  const client = { ip: '192.0.2.1', helo: 'a.test', sender: 'a@a.test' }
  const { dkim } = await verifier.verify({ ...client, header, body })
  return dkim.map(({ result }) => result)
}

test('what is signed with both keys is verified by the library, whatever its text', async () => {
  const word = fc.stringMatching(/^[!-~]{1,12}$/)
  const blank = fc.constantFrom(' ', '  ', '\t', ' \t ')
  const line = fc.array(fc.oneof(word, blank), { maxLength: 8 }).map((pieces) => pieces.join(''))
  const text = fc
    .array(fc.oneof(line, fc.constant('')), { maxLength: 12 })
    .map((lines) => lines.map((one) => `${one}\r\n`).join(''))
  await fc.assert(
    fc.asyncProperty(text, fc.array(word, { minLength: 1, maxLength: 4 }), fc.nat(40), async (body, subject, cut) => {
      const header = Buffer.from(`From: a@a.test\r\nSubject: ${subject.join('\r\n  ')}\r\nDate: x\r\n\r\n`)
      const bytes = Buffer.from(body)
      const chunks = (async function* () {
        yield bytes.subarray(0, cut)
        yield bytes.subarray(cut)
      })()
      const lines = await signDkim({ header, body: chunks }, keys, now)
      assert.equal(
        lines,
        await signDkim({ header, body: bytes }, keys.slice(0, 1), now).then((one) => one + lines.slice(one.length)),
      )
      assert.deepEqual(await results(Buffer.concat([Buffer.from(lines), header]), bytes), ['pass', 'pass'])
    }),
    { numRuns: 60 },
  )
})

test('a second From or Subject breaks the signature: both are signed once more than they stand there', async () => {
  const header = Buffer.from('From: a@a.test\r\nSubject: x\r\n\r\n')
  const body = Buffer.from('x\r\n')
  const lines = Buffer.from(await signDkim({ header, body }, keys, now))
  assert.deepEqual(await results(Buffer.concat([lines, header]), body), ['pass', 'pass'])
  for (const added of ['Subject: y\r\n', 'From: b@b.test\r\n', 'Reply-To: b@b.test\r\n', 'Content-Type: text/html\r\n'])
    assert.deepEqual(await results(Buffer.concat([lines, Buffer.from(added), header]), body), ['fail', 'fail'], added)
})

test('lines of a signature are short and hold nothing but what they should', async () => {
  const header = Buffer.from('From: a@a.test\r\nSubject: x\r\n\r\n')
  const text = await signDkim({ header, body: Buffer.alloc(0) }, keys, now)
  for (const line of text.split('\r\n')) assert.ok(line.length <= 78, line)
  // The hash of an empty body in relaxed form (RFC 6376 §3.4.4).
  assert.match(text, /bh=47DEQpj8HBSa\+\/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=;/)
})

test('records: made of a key, and known again however they are written', async () => {
  for (const algorithm of ['rsa2048', 'ed25519'] as const) {
    const record = toDkimRecord(await makeDkimKey(algorithm))
    assert.match(record, /^v=DKIM1; k=(rsa|ed25519); p=[A-Za-z0-9+/=]+$/)
    assert.ok(isSameRecord(record.replace('p=', 'p= ').replaceAll('; ', ';'), record))
    assert.ok(!isSameRecord('v=DKIM1; p=', record))
  }
})
