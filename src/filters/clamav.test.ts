// INSTREAM on the wire: pieces and their lengths, replies in pieces, refusals, daemons that die.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClamAv } from './clamav.ts'
import { forever, startDaemon } from './testing/daemon.ts'
import { toRequest } from './testing/request.ts'

const command = 'zINSTREAM\0'
const text = (size: number) => `Subject: x\r\n\r\n${'word\r\n'.repeat(size / 6)}`

/** The message in what came, when its end is there. */
function messageOf(heard: Buffer): Buffer | undefined {
  assert.equal(heard.toString('latin1', 0, command.length), command.slice(0, heard.length))
  const pieces: Buffer[] = []
  for (let at = command.length; at + 4 <= heard.length; ) {
    const size = heard.readUInt32BE(at)
    if (size === 0) return Buffer.concat(pieces)
    assert.ok(size <= 65_536)
    pieces.push(heard.subarray(at + 4, at + 4 + size))
    at += 4 + size
  }
  return undefined
}

test('the whole message arrives, in pieces; a name that comes byte by byte is read whole', async (t) => {
  const message = text(300_000)
  const daemon = await startDaemon(
    t,
    (heard) => {
      const got = messageOf(heard)
      if (got) assert.equal(got.toString('latin1'), message)
      return got && 'stream: Win.Test.EICAR_HDB-1 FOUND\0'
    },
    1,
  )
  const answer = await createClamAv({ place: daemon.place, action: 'quarantine' }).check(
    toRequest(message, {}, 200_000),
    forever,
  )
  assert.deepEqual(answer, {
    action: 'quarantine',
    virus: 'Win.Test.EICAR_HDB-1',
    reasons: ['ClamAV found Win.Test.EICAR_HDB-1'],
    headers: [{ name: 'X-Virus-Status', value: 'Infected (Win.Test.EICAR_HDB-1)' }],
  })
})

for (const [reply, expected] of [
  ['stream: OK\0', { action: 'accept', reasons: [] }],
  ['stream: OK\n\0', { action: 'accept', reasons: [] }],
  [
    'INSTREAM size limit exceeded. ERROR\0',
    { action: 'accept', reasons: ['ClamAV did not look: 74 bytes are more than clamd takes (StreamMaxLength)'] },
  ],
] as const)
  test(`reply ${JSON.stringify(reply)}`, async (t) => {
    const daemon = await startDaemon(t, (heard) => (messageOf(heard) ? reply : undefined))
    const filter = createClamAv({ place: daemon.place, action: 'reject' })
    assert.deepEqual(await filter.check(toRequest(text(60)), forever), expected)
  })

for (const [what, reply, error] of [
  ['an error of its own', "stream: Can't allocate memory ERROR\0", /clamd at 127\.0\.0\.1:\d+: stream: Can't allocate/],
  ['nothing', '\0', /it said nothing/],
  ['garbage', 'HTTP/1.1 200 OK\r\n\r\n\0', /HTTP\/1\.1 200 OK/],
  ['without end', 'x'.repeat(5_000), /it said more than it should/],
  ['a name with a line end', 'stream: A\r\nB: c FOUND', /closed/],
] as const)
  test(`${what} is no answer`, async (t) => {
    const daemon = await startDaemon(t, (heard, socket) => {
      if (messageOf(heard)) setTimeout(() => socket.end(), 50)
      return messageOf(heard) && reply
    })
    const filter = createClamAv({ place: daemon.place, action: 'reject' })
    await assert.rejects(filter.check(toRequest(text(60)), forever), error)
  })

test('what it finds is named in one line, whatever it says', async (t) => {
  const daemon = await startDaemon(t, (heard) =>
    messageOf(heard) ? 'stream: A\r\nX-Evil: yes\xff FOUND\0' : undefined,
  )
  const { reasons, headers } = await createClamAv({ place: daemon.place, action: 'reject' }).check(
    toRequest(text(60)),
    forever,
  )
  assert.deepEqual(reasons, ['ClamAV found A  X-Evil: yes?'])
  assert.deepEqual(headers, [{ name: 'X-Virus-Status', value: 'Infected (A  X-Evil: yes?)' }])
})

test('one that has enough in the middle is heard, even when its words are lost the first time', async (t) => {
  const daemon = await startDaemon(t, (heard, socket) => {
    if (heard.length < 1_000_000) return undefined
    // The first time it goes without a word.
    if (daemon.heard.length === 1) socket.resetAndDestroy()
    else socket.end('INSTREAM size limit exceeded. ERROR\0')
    return undefined
  })
  const filter = createClamAv({ place: daemon.place, action: 'reject' })
  const { reasons } = await filter.check(toRequest(text(30_000_000)), forever)
  assert.match(reasons[0]!, /^ClamAV did not look: 30000014 bytes/)
  assert.equal(daemon.heard.length, 2)
})

test('one that dies each time, or is not there, or says nothing, is a failure', async (t) => {
  const dying = await startDaemon(t, (_, socket) => void socket.resetAndDestroy())
  const filter = createClamAv({ place: dying.place, action: 'reject' })
  await assert.rejects(filter.check(toRequest(text(6_000_000)), forever), /clamd at .*: the connection broke/)
  assert.ok(dying.heard.length <= 4)
  const nowhere = createClamAv({ place: { path: '/nowhere/clamd.sock' }, action: 'reject' })
  await assert.rejects(
    nowhere.check(toRequest(text(60)), forever),
    /clamd at \/nowhere\/clamd\.sock: there is no such socket/,
  )
  const silent = await startDaemon(t, () => undefined)
  const patience = AbortSignal.timeout(50)
  const asked = createClamAv({ place: silent.place, action: 'reject' }).check(toRequest(text(60)), patience)
  await assert.rejects(asked, (error) => error === patience.reason)
})

test('one that does not read is not written to without end', async (t) => {
  const stuck = await startDaemon(t, (_, socket) => void socket.pause())
  const patience = AbortSignal.timeout(200)
  let read = 0
  const request = toRequest('Subject: x\r\n\r\n', {
    async *bytes() {
      for (let i = 0; i < 10_000; i++) {
        read++
        yield Buffer.alloc(65_536)
      }
    },
  })
  await assert.rejects(createClamAv({ place: stuck.place, action: 'reject' }).check(request, patience))
  assert.ok(read < 1_000, `${read} pieces were read`)
})
