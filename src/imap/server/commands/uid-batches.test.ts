// UIDBATCHES with and without gaps, and the limits of RFC 10022.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapClient, type ImapWorld, openImapWorld } from '../testing/world.ts'

let world: ImapWorld
let client: ImapClient
before(async () => {
  world = await openImapWorld({ limits: { appendMessages: 2000 } })
  client = world.connect()
  await client.login()
  await client.command(`APPEND INBOX${' {6+}\r\na: b\r\n'.repeat(1203)}`)
  await client.command('SELECT INBOX')
})
after(() => world.close())

async function ask(args: string): Promise<string[]> {
  return client.command(`UIDBATCHES ${args}`)
}

test('batches of equal size from the newest to the oldest', async () => {
  assert.deepEqual(await ask('500'), ['* UIDBATCHES (TAG "x") 1203:704,703:204,203:1', 'x OK done'])
  assert.deepEqual(await ask('601'), ['* UIDBATCHES (TAG "x") 1203:603,602:2,1:1', 'x OK done'])
  assert.deepEqual(await ask('1203'), ['* UIDBATCHES (TAG "x") 1203:1', 'x OK done'])
  assert.deepEqual(await ask('4294967295'), ['* UIDBATCHES (TAG "x") 1203:1', 'x OK done'])
  assert.deepEqual(await ask('500 2:3'), ['* UIDBATCHES (TAG "x") 703:204,203:1', 'x OK done'])
  assert.deepEqual(await ask('500 4:9'), ['* UIDBATCHES (TAG "x")', 'x OK done'])
  assert.deepEqual(await ask('500 4294967200:4294967295'), ['* UIDBATCHES (TAG "x")', 'x OK done'])
})

test('what has gone leaves no gap between batches, in a session without numbers too', async () => {
  await client.command('UID STORE 300:499 +FLAGS.SILENT (\\Deleted)')
  await client.command('EXPUNGE')
  await client.command('ENABLE UIDONLY')
  assert.deepEqual(await ask('500'), ['* UIDBATCHES (TAG "x") 1203:704,703:4,3:1', 'x OK done'])
  const found = await client.command('UID SEARCH RETURN (COUNT) UID 703:4')
  assert.match(found[0]!, /COUNT 500$/)
})

test('limits and bad arguments', async () => {
  assert.match((await ask('499')).at(-1)!, /^x NO \[TOOFEW\]/)
  assert.match((await ask('500 3:2')).at(-1)!, /^x BAD \[CLIENTBUG\]/)
  assert.match((await ask('2000 1:51')).at(-1)!, /^x NO \[TOOMANY\]/)
  for (const bad of ['', '0', '500 1', '500 1:', '500 0:2', '500 *', 'x'])
    assert.match((await ask(bad)).at(-1)!, /^x BAD/, bad)
  await client.command('SELECT Drafts')
  assert.deepEqual(await ask('500'), ['* UIDBATCHES (TAG "x")', 'x OK done'])
  await client.command('UNSELECT')
  assert.match((await ask('500')).at(-1)!, /^x BAD/)
})
