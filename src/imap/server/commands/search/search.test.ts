// SEARCH in texts of all sizes, through the door.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ImapClient, openImapWorld } from '../../testing/world.ts'

async function withWorld(run: (client: ImapClient) => Promise<void>): Promise<void> {
  const world = await openImapWorld({ maxMessageSize: 40_000_000 })
  try {
    const client = world.connect()
    client.say('a LOGIN ann@example.test secret-word\r\nb SELECT INBOX\r\n')
    await client.until('b OK')
    await run(client)
  } finally {
    await world.close()
  }
}

async function append(client: ImapClient, message: Buffer): Promise<void> {
  client.say(`c APPEND INBOX {${message.length}+}\r\n${message.toString('latin1')}\r\n`)
  const lines = await client.until('c ')
  assert.match(lines.at(-1)!, /^c OK/)
}

async function search(client: ImapClient, criteria: string, utf8?: string): Promise<string> {
  const literal = utf8 === undefined ? '' : ` {${Buffer.byteLength(utf8)}+}\r\n${Buffer.from(utf8).toString('latin1')}`
  client.say(`d SEARCH ${criteria}${literal}\r\n`)
  const lines = await client.until('d ')
  assert.match(lines.at(-1)!, /^d OK/)
  return lines.find((line) => line.startsWith('* SEARCH'))!
}

/** Words that are found once each, wherever a window ends. */
function numbered(bytes: number): string {
  const lines: string[] = []
  for (let size = 0, n = 0; size < bytes; size += 40, n++)
    lines.push(`Zeile ${String(n).padStart(8, '0')} 日本語の長い文章です\r\n`)
  return lines.join('')
}

test('a text of many windows is searched whole, in each encoding', async () => {
  await withWorld(async (client) => {
    const text = numbered(1_000_000)
    const last = text.trimEnd().slice(-30)
    const base64 = Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\r\n')
    const head = 'Subject: long\r\nContent-Type: text/plain; charset=utf-8\r\n'
    await append(client, Buffer.from('Subject: short\r\n\r\nZeile 00000000\r\n'))
    await append(client, Buffer.from(`${head}Content-Transfer-Encoding: 8bit\r\n\r\n${text}`))
    await append(client, Buffer.from(`${head}Content-Transfer-Encoding: base64\r\n\r\n${base64}`))
    assert.equal(await search(client, 'CHARSET UTF-8 BODY', last), '* SEARCH 2 3')
    assert.equal(await search(client, 'CHARSET UTF-8 TEXT', `${last}!`), '* SEARCH')
    assert.equal(await search(client, 'CHARSET UTF-8 NOT BODY', last), '* SEARCH 1')
    assert.equal(await search(client, 'BODY "zeile 00000000"'), '* SEARCH 1 2 3')
    assert.equal(await search(client, 'OR SUBJECT short BODY "zeile 00019999"'), '* SEARCH 1 2 3')
    assert.equal(await search(client, 'SUBJECT long NOT BODY "zeile 00000000"'), '* SEARCH')
    assert.equal(await search(client, 'FUZZY BODY "00000000 zeil"'), '* SEARCH 1 2 3')
    assert.equal(await search(client, 'FUZZY TEXT "short 00000000"'), '* SEARCH 1')
    assert.equal(await search(client, 'FUZZY BODY "00012345 0001999"'), '* SEARCH 2 3')
    // Needles without a gap between them: some lie across the end of a window.
    const lines = text.split('\r\n')
    for (let n = 0; n + 1_000 < lines.length; n += 1_000) {
      const needle = lines.slice(n, n + 1_010).join('\r\n')
      assert.equal(await search(client, 'CHARSET UTF-8 2:3 BODY', needle), '* SEARCH 2 3', `line ${n}`)
    }
  })
})

test('headers are found decoded, with and without a value', async () => {
  await withWorld(async (client) => {
    await append(client, Buffer.from('Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nX-Empty:\r\n\r\nbody\r\n'))
    assert.equal(await search(client, 'CHARSET UTF-8 TEXT', 'GRÜSSE'), '* SEARCH 1')
    assert.equal(await search(client, 'CHARSET UTF-8 BODY', 'GRÜSSE'), '* SEARCH')
    assert.equal(await search(client, 'HEADER X-Empty ""'), '* SEARCH 1')
    assert.equal(await search(client, 'HEADER X-Missing ""'), '* SEARCH')
  })
})
