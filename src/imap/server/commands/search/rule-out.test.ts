// The answers of SEARCH are the same without an index, with one that is behind, and with one that has everything.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realClock, silentLog } from '../../../../base/index.ts'
import { createIndexer } from '../../../../mail/index.ts'
import { openSearchWriter } from '../../../../store/index.ts'
import { type ImapClient, openImapWorld } from '../../testing/world.ts'

const literal = (text: string) => `{${Buffer.byteLength(text)}+}\r\n${Buffer.from(text).toString('latin1')}`

const criteria = [
  'BODY wanted',
  'NOT BODY wanted',
  'TEXT wanted',
  'SUBJECT "number 7"',
  'NOT SUBJECT "number 7"',
  'FROM "ann7@"',
  'HEADER X-Rare ""',
  'HEADER X-Rare q',
  'HEADER Subject "number 1"',
  'OR BODY wanted SUBJECT "number 3"',
  'NOT (BODY wanted SUBJECT "number 2")',
  'BODY wanted SUBJECT number SEEN',
  '1:30 TEXT "wanted"',
  `CHARSET UTF-8 BODY ${literal('GRÖSSE')}`,
  `CHARSET UTF-8 TEXT ${literal('検索')}`,
  `CHARSET UTF-8 SUBJECT ${literal('検索')}`,
  `BODY ${literal('one\r\nwanted')}`,
  'FUZZY BODY wante',
  'FUZZY TEXT "thing number"',
  'NOT FUZZY TEXT "number 7"',
  'FUZZY SUBJECT numb',
  'FUZZY FROM ann7',
  'FUZZY HEADER X-Rare q',
  'OR FUZZY BODY "plain wanted" FUZZY SUBJECT 9',
  'FUZZY BODY grosse',
  `CHARSET UTF-8 FUZZY TEXT ${literal('検索')}`,
  `CHARSET UTF-8 BODY ${literal('索す')}`,
  'BODY nowhere',
  'TEXT ""',
  'BODY "q"',
]

async function answers(client: ImapClient): Promise<string[]> {
  const found: string[] = []
  for (const one of criteria) {
    const options = one.includes('FUZZY') ? 'RETURN (ALL RELEVANCY) ' : ''
    const lines = await client.command(`SEARCH ${options}${one}`)
    assert.match(lines.at(-1)!, /^x OK/, one)
    found.push(`${one}: ${lines.filter((line) => line.startsWith('* SEARCH') || line.startsWith('* ESEARCH')).join()}`)
  }
  return found
}

const subjectOf = (n: number) =>
  n % 11 === 0 ? `=?utf-8?B?${Buffer.from(`検索 ${n}`).toString('base64')}?=` : `number ${n}`
const bodyOf = (n: number) =>
  [
    `plain ${n}`,
    n % 9 === 0 ? 'one\r\nwanted thing' : 'nothing',
    n % 13 === 0 ? 'Größe 検索する' : '',
    n % 50 === 7 ? 'q' : '',
  ].join('\r\n')

test('SEARCH answers alike with and without an index, and while it is behind', async () => {
  const world = await openImapWorld()
  const client = world.connect()
  try {
    await client.login()
    for (let n = 0; n < 60; n++) {
      const rare = n % 20 === 3 ? 'X-Rare: q\r\n' : ''
      const text = `From: ann${n}@example.test\r\nSubject: ${subjectOf(n)}\r\n${rare}Content-Type: text/plain; charset=utf-8\r\n\r\n${bodyOf(n)}\r\n`
      await client.append('INBOX', Buffer.from(text).toString('latin1'), n % 4 === 0 ? '(\\Seen) ' : '')
    }
    await client.command('SELECT INBOX')
    const read = await answers(client)
    assert.match(read[0]!, /: \* SEARCH 1 10 19 28 37 46 55$/)
    assert.match(read.at(-3)!, /: \* SEARCH$/)

    const writer = await openSearchWriter({ data: world.data, store: 'this', log: silentLog })
    const indexer = createIndexer({ store: world.store, index: writer, clock: realClock, log: silentLog })
    while ((await indexer.step()) !== 'done');
    assert.deepEqual(await answers(client), read)

    // The index is behind.
    for (const n of [63, 64])
      await client.append('INBOX', Buffer.from(`Subject: ${subjectOf(n)}\r\n\r\n${bodyOf(n)}\r\n`).toString('latin1'))
    const behind = await answers(client)
    assert.match(behind[0]!, /: \* SEARCH 1 10 19 28 37 46 55 61$/)
    while ((await indexer.step()) !== 'done');
    assert.deepEqual(await answers(client), behind)
    await writer.close()
  } finally {
    client.close()
    await world.close()
  }
})
