// Dynamic updates as bytes, and answers that nobody should believe. Against a real name server: test/interop/acme.test.ts.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { isFault, realClock } from '../base/index.ts'
import { formatUpdate, readAnswer, update } from './update.ts'

const change = { server: '127.0.0.1', zone: 'A.test', name: 'x.a.test', value: 'v', add: true }

test('an update adds or takes away exactly one record (RFC 2136 §2.5)', () => {
  const added = formatUpdate(0x1234, change).toString('hex')
  const name = '01780161047465737400'
  assert.equal(added, `123428000001000000010000016104746573740000060001${name}001000010000003c00020176`)
  const taken = formatUpdate(0x1234, { ...change, add: false }).toString('hex')
  assert.ok(taken.endsWith('001000fe0000000000020176'), taken)
  for (const name of ['a..test', `${'a'.repeat(64)}.test`])
    assert.throws(() => formatUpdate(1, { ...change, name }), /is no name/)
  assert.throws(() => formatUpdate(1, { ...change, value: 'v'.repeat(256) }), /255/)
})

test('answers cut off or made of anything are no answers', () => {
  const answer = Buffer.from('1234a80000010000000000010161047465737400000600010000fa00ff00000000000100', 'hex')
  for (let end = 0; end < answer.length; end++)
    assert.equal(readAnswer(answer.subarray(0, end), 0x1234), undefined, `${end}`)
  assert.equal(readAnswer(Buffer.from('1234a8000000000000000000', 'hex'), 0x1235), undefined)
  assert.deepEqual(readAnswer(Buffer.from('1234a8050000000000000000', 'hex'), 0x1234), { rcode: 5 })
  // A compression pointer that leads to itself is not followed.
  assert.equal(readAnswer(Buffer.from('1234a8000001000000000000c00c', 'hex'), 0x1234)?.rcode, 0)
})

async function answering(t: { after(fn: () => void): void }, rcode: number) {
  const server = createServer((socket) =>
    socket.on('data', (bytes: Buffer) => {
      const head = Buffer.from('000c0000a8000000000000000000', 'hex')
      bytes.copy(head, 2, 2, 4)
      head[5] = rcode
      socket.end(head)
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

test('a yes that is not signed with our key is none; a no is told in words', async (t) => {
  const key = { name: 'k', algorithm: 'hmac-sha256', secret: Buffer.from('secret') } as const
  const yes = await answering(t, 0)
  await update({ ...change, server: yes }, realClock)
  await assert.rejects(update({ ...change, server: yes, key }, realClock), /not signed with our key/)
  await assert.rejects(
    update({ ...change, server: await answering(t, 5) }, realClock),
    (error) =>
      isFault(error, 'denied') && /adding TXT of x\.a\.test in the zone A\.test: it refuses/.test(error.message),
  )
  await assert.rejects(update({ ...change, server: '127.0.0.1:1' }, realClock), (error) =>
    isFault(error, 'unavailable'),
  )
})
