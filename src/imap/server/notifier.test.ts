// What NOTIFY costs: no views of the mailboxes that are watched, one look for a burst of changes, and nothing once it ended.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openImapWorld } from './testing/world.ts'

const MAILBOXES = 60

test('watching all mailboxes opens none, and a burst is told in few words', async () => {
  const world = await openImapWorld()
  try {
    const writer = world.connect()
    const watcher = world.connect()
    await writer.login()
    await watcher.login()
    for (let i = 0; i < MAILBOXES; i++) await writer.command(`CREATE Box${i}`)
    assert.equal(
      (await watcher.command('NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName))')).length,
      1,
    )
    // Pipelined: they are done long before the watcher looks again.
    for (let i = 0; i < MAILBOXES; i++) {
      writer.say(`y APPEND Box${i} {6+}\r\na: b\r\n\r\n`)
      writer.say(`y APPEND Box0 {6+}\r\na: b\r\n\r\n`)
    }
    for (let i = 0; i < 2 * MAILBOXES; i++) await writer.until('y OK')
    const told = new Map<string, number>()
    const last = (name: string) => told.get(`"${name}"`)
    let lines = 0
    while (last('Box0') !== MAILBOXES + 1 || told.size < MAILBOXES) {
      const line = await watcher.hear()
      const [, name = '', count] = /^\* STATUS (\S+) \(MESSAGES (\d+) UIDNEXT \d+ UNSEEN \d+\)$/.exec(line ?? '') ?? []
      assert.ok(name !== '', line ?? 'the end')
      told.set(name, Number(count))
      lines++
    }
    assert.ok(lines < 2 * MAILBOXES, `${lines} lines for ${2 * MAILBOXES} messages`)
    assert.equal(world.server.stats.views, 0)
    assert.deepEqual(await watcher.command('NOTIFY NONE'), ['x OK done'])
    await writer.append('Box1', 'a: b\r\n')
    assert.deepEqual(await watcher.command('NOOP'), ['x OK done'])
    writer.close()
    watcher.close()
  } finally {
    await world.close()
  }
})

test('a change is told while the client says nothing', async () => {
  const world = await openImapWorld()
  try {
    const writer = world.connect()
    const watcher = world.connect()
    await writer.login()
    await watcher.login()
    await watcher.command('SELECT INBOX')
    await watcher.command(
      'NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) (inboxes (MessageNew MessageExpunge))',
    )
    const began = performance.now()
    await writer.append('INBOX', 'a: b\r\n')
    assert.equal(await watcher.hear(), '* 1 EXISTS')
    assert.ok(performance.now() - began < 1000)
    await watcher.until('* 1 FETCH (UID 1)')
    await writer.append('Sent', 'a: b\r\n')
    await watcher.until('* STATUS "Sent" (MESSAGES 1 UIDNEXT 2)')
    writer.close()
    watcher.close()
  } finally {
    await world.close()
  }
})

test('more mailboxes than are watched: refused at once, and told when they become too many', async () => {
  const world = await openImapWorld({ limits: { notifyMailboxes: 7 } })
  try {
    const client = world.connect()
    const writer = world.connect()
    await client.login()
    await writer.login()
    assert.deepEqual(await client.command('NOTIFY SET (personal (MailboxName))'), ['x OK done'])
    await writer.command('CREATE One')
    assert.match((await client.hear())!, /^\* LIST \(\\HasNoChildren\) "\/" "One"$/)
    await writer.command('CREATE Two')
    await client.until('* OK [NOTIFICATIONOVERFLOW]')
    await writer.command('CREATE Three')
    assert.match(
      (await client.command('NOTIFY SET (personal (MailboxName))')).at(-1)!,
      /^x NO \[NOTIFICATIONOVERFLOW\]/,
    )
    assert.deepEqual(await client.command('NOOP'), ['x OK done'])
    writer.close()
    client.close()
  } finally {
    await world.close()
  }
})
