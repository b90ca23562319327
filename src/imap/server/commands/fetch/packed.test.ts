// FETCH answers the same from packed blocks as from rows, and mends what a block does not hold.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ImapClient, openImapWorld } from '../../testing/world.ts'

const count = 200
const item = (n: number) => {
  const more = n % 40 === 7 ? `X-Long: ${'y'.repeat(5_000)}\r\n` : `X-Number: ${n}\r\n`
  const subject = n % 30 === 5 ? 'Gr\xc3\xbc\xc3\x9fe' : `number ${n}`
  return `Received: from a\r\nFrom: "a\xe4" <a@a.test>\r\nTo: b@b.test\r\nSubject: ${subject}\r\n${more}Message-ID: <${n}@a>\r\n\r\nbody ${n}\r\n`
}
const fetches = [
  'FETCH 1:* ENVELOPE',
  'FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)',
  'FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES CONTENT-TYPE)])',
  'FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Number X-Long)]',
  'FETCH 1:* BODY.PEEK[HEADER.FIELDS (Nothing)]',
  'FETCH 1:* BODY.PEEK[HEADER.FIELDS (Received Subject)]',
  'FETCH 1:* (BODY.PEEK[HEADER.FIELDS.NOT (Received)] RFC822.SIZE)',
  'FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject)]<3.9> UID)',
  'UID FETCH 60:70,100,150:* (ENVELOPE MODSEQ)',
  'UID FETCH 1,5,64,65,66,67,68,128,190:199 (ENVELOPE)',
  'FETCH 2:3 (ENVELOPE)',
  'FETCH 1:* (FLAGS UID)',
  'FETCH 1:* (FLAGS UID MODSEQ)',
  'FETCH 1:* (BODY.PEEK[])',
]

const sorted = (lines: readonly string[]) => [...lines].sort()

async function filled(connect: () => ImapClient): Promise<ImapClient> {
  const client = connect()
  await client.login()
  for (let n = 1; n <= count; n++) await client.append('INBOX', item(n), n % 3 === 0 ? '(\\Seen $Work) ' : '')
  return client
}

for (const utf8 of [false, true])
  test(`FETCH answers the same when it is packed${utf8 ? ', in UTF-8 too' : ''}`, async (t) => {
    const world = await openImapWorld()
    t.after(() => world.close())
    const client = await filled(world.connect)
    await client.command('SELECT INBOX')
    await client.command(utf8 ? 'ENABLE CONDSTORE UTF8=ACCEPT' : 'ENABLE CONDSTORE')
    // What is gone before, and what goes after it was packed.
    await client.command('STORE 20:30,65 +FLAGS.SILENT (\\Deleted)')
    await client.command('EXPUNGE')
    const before = new Map<string, string[]>()
    for (const fetch of fetches) before.set(fetch, await client.command(fetch))
    await world.pack('INBOX')
    for (const fetch of fetches)
      assert.deepEqual(sorted(await client.command(fetch)), sorted(before.get(fetch)!), fetch)
    await client.command('STORE 100:110 +FLAGS.SILENT (\\Deleted)')
    await client.command('EXPUNGE')
    const packed = await client.command(fetches[1]!)
    assert.equal(packed.filter((line) => line.includes('ENVELOPE')).length, count - 12 - 11)
    await world.pack('INBOX')
    assert.deepEqual(sorted(await client.command(fetches[1]!)), sorted(packed))
  })

test('with UIDONLY packed messages are named by UID', async (t) => {
  const world = await openImapWorld()
  t.after(() => world.close())
  const client = await filled(world.connect)
  await client.command('ENABLE UIDONLY')
  await client.command('SELECT INBOX')
  await world.pack('INBOX')
  const lines = await client.command('UID FETCH 1:* (ENVELOPE FLAGS)')
  assert.equal(lines.filter((line) => line.includes(' UIDFETCH (ENVELOPE (')).length, count)
  assert.match(lines[0]!, /^\* 1 UIDFETCH \(ENVELOPE \(NIL "number 1" .*\) FLAGS \(\\?R?e?c?e?n?t?\)\)$/)
})
