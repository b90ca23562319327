// The search index narrows and never decides: whatever it leaves out holds the text nowhere, however far behind it is.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Bench, onEachStore } from '../../test/stores.ts'
import { type AccountId, type Clock, type Log, type MailboxId, realClock, silentLog } from '../base/index.ts'
import { sweepContents } from '../jobs/index.ts'
import { fold } from '../mime/index.ts'
import {
  checkSearchFile,
  type Heights,
  indexingRows,
  openReadStore,
  openSearchReader,
  openSearchWriter,
  type SearchWriter,
} from '../store/index.ts'
import { createMailReads, type Indexer, type MailReads } from './index.ts'
import { createIndexer, sweepIndex } from './indexer.ts'
import { ownAccess } from './rights.ts'
import { type Mail, message, openMail } from './testing/open.ts'
import { WordCount, wantedWords } from './words.ts'

interface Indexed {
  readonly mail: Mail
  readonly reads: MailReads
  readonly writer: SearchWriter
  readonly indexer: Indexer
  readonly ann: AccountId
  readonly inbox: MailboxId
  /** Steps until nothing is left to do; returns how many. */
  fill(): Promise<number>
  append(text: string, prefix?: string): Promise<void>
}

/** Seconds pass whenever somebody looks: ids settle at once. */
const hurried = (): Clock => {
  let passed = 0
  return { ...realClock, monotonic: () => (passed += 5_000) }
}

async function withIndex({ store, options }: Bench, run: (indexed: Indexed) => Promise<void>, log: Log = silentLog) {
  const mail = await openMail(store, options)
  const readable = await openReadStore(options)
  const reader = openSearchReader({ ...options, log })
  const writer = await openSearchWriter({ data: options.data, store: 'this', log })
  const indexer = createIndexer({ store: readable, index: writer, clock: hurried(), log })
  try {
    const known = await mail.reads.mailbox(1 as AccountId, 'INBOX')
    const ann = known ? known.account : await mail.addAccount()
    const inbox = await mail.inbox(ann)
    await run({
      mail,
      reads: createMailReads(readable, reader),
      writer,
      indexer,
      ann,
      inbox,
      async fill() {
        for (let steps = 1; ; steps++) if ((await indexer.step()) === 'done') return steps
      },
      async append(text, prefix) {
        const content = await mail.content(text)
        await mail.writes.append(ownAccess(ann, inbox), [
          { content, flags: [], ...(prefix !== undefined && { prefix: Buffer.from(prefix) }) },
        ])
      },
    })
  } finally {
    reader.close()
    await writer.close()
    await readable.close()
    await mail.close()
  }
}

async function allTexts(reads: MailReads, inbox: MailboxId): Promise<Map<number, string>> {
  const texts = new Map<number, string>()
  for await (const windows of reads.texts(inbox, [[1, 1000]], { header: true, body: true }))
    for (const { uid, header, body } of windows)
      texts.set(uid, `${texts.get(uid) ?? ''}${header}${header && '\n\n'}${body}`)
  return texts
}

/** UIDs whose text or header facts hold the folded needle, by looking at all. */
async function lookAtAll(reads: MailReads, inbox: MailboxId, needle: string): Promise<number[]> {
  const texts = await allTexts(reads, inbox)
  const facts = await reads.facts(inbox, [[1, 1000]], ['subject', 'from', 'to', 'cc', 'bcc'])
  const holds = ({ uid, subject, from, to, cc, bcc }: (typeof facts)[number]) =>
    [texts.get(uid)!, subject!, from!, to!, cc!, bcc!].some((text) => text.includes(needle))
  return facts.filter(holds).map(({ uid }) => uid)
}

const words = [
  'Straße',
  'STRASSE',
  'ﬁnal',
  'ΣΊΣΥΦΟΣ',
  '日本語',
  '検索する',
  'müde',
  'Ünïcode',
  '😀😃',
  'İstanbul',
  'naïve',
  'e\u0301t',
  'ab"c',
  "o'x",
  'a*b',
]
const word = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 8 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
)
const text = fc.array(word, { minLength: 1, maxLength: 12 }).map((list) => list.join(' '))
const utf8 = 'Content-Type: text/plain; charset=utf-8'
const quoted = (subject: string) => `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`
/** Messages of all manners: plain, HTML, folded at the very beginning, with the same content twice. */
const mailText = fc
  .tuple(text, text, fc.constantFrom('plain', 'html', 'base64', 'blank', 'garbage'))
  .map(([subject, body, kind]) => {
    const head = `${kind === 'blank' ? ` folded ${subject.replace(/[\r\n\0]/g, '')}\r\n` : ''}${kind === 'garbage' ? 'no field\r\n' : ''}Subject: ${quoted(subject)}\r\nFrom: "A \\"B\\" ${kind}" <ann@example.test>`
    if (kind === 'html') return `${head}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>${body}</p><b>x</b>y`
    if (kind === 'base64')
      return `${head}\r\n${utf8}\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(body).toString('base64')}\r\n`
    return `${head}\r\n${utf8}\r\n\r\n${body}\r\n`
  })
const asciiWord = fc.string({ unit: fc.constantFrom('a', 'B', 'c', 'D', ':', '=', '.'), minLength: 1, maxLength: 6 })
/** ASCII as it is: most of these are literal. */
const asciiText = fc
  .tuple(
    fc.array(asciiWord, { minLength: 1, maxLength: 4 }),
    fc.array(fc.oneof(asciiWord, fc.constantFrom('<b>', '</b>', '<p>', '\r\n')), { minLength: 1, maxLength: 8 }),
    fc.constantFrom(' ', ''),
    fc.constantFrom('plain', 'html'),
  )
  .map(
    ([subject, body, space, kind]) =>
      `Subject: ${subject.join('\r\n ')}\r\nFrom: <ann@example.test>\r\nContent-Type: text/${kind}\r\n\r\n${body.join(space)}\r\n`,
  )
const prefixText = fc.constantFrom(
  undefined,
  'Return-Path: <abc@example.test>\r\n',
  'X-Note: the last\r\n',
  'Delivered-To: müde@example.test\r\n',
)

onEachStore('whatever the index leaves out holds the text nowhere, at any lag', async (bench) => {
  await withIndex(bench, async ({ mail, reads, indexer, ann, inbox, append }) => {
    let narrowed = 0
    let lacked = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.oneof(mailText, asciiText), prefixText), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(
          fc.oneof(word, text, asciiWord.map(fold), fc.constantFrom('the last folded', 'b" html', 'path: <abc', 'xy')),
          {
            minLength: 4,
            maxLength: 8,
          },
        ),
        async (arrivals, steps, needles) => {
          for (const [arrived, prefix] of arrivals) await append(arrived, prefix)
          for (let i = 0; i < steps; i++) await indexer.step()
          for (const needle of needles.map(fold)) {
            const found = await reads.holders(inbox, needle)
            const texts = await allTexts(reads, inbox)
            for (const word of wantedWords(needle)) {
              const holders = await reads.wordHolders(inbox, word)
              const left = [...texts].filter(([uid]) => holders?.has(uid) === false)
              for (const [uid, text] of left)
                assert.equal(new WordCount([word]).add(text).times(word), 0, `${uid} left out for the word ${word}`)
            }
            const all = await lookAtAll(reads, inbox, needle)
            const everything = Uint32Array.from(texts.keys())
            const lacking = await reads.lacking(inbox, everything, needle, true)
            assert.deepEqual(
              all.filter((uid) => lacking.has(uid)),
              [],
              `lacking ${JSON.stringify(needle)}`,
            )
            lacked += lacking.size
            if (!found) continue
            assert.deepEqual(
              all.filter((uid) => !found.has(uid)),
              [],
              `left out for ${JSON.stringify(needle)}`,
            )
            const { messages } = (await mail.reads.mailboxById(inbox))!
            if (found.size < messages / 2) narrowed++
          }
        },
      ),
      { numRuns: 60 },
    )
    assert.ok(narrowed > 20, `the index narrowed ${narrowed} times`)
    assert.ok(lacked > 100, `a quick look ruled out ${lacked}`)
    assert.ok(ann)
  })
})

onEachStore('a content is indexed once, for whoever has it, and nobody sees that others have it', async (bench) => {
  await withIndex(bench, async ({ mail, reads, ann, inbox, append, fill }) => {
    const bob = await mail.addAccount()
    const bobs = await mail.inbox(bob)
    for (let n = 0; n < 30; n++) await append(message(`number ${n}`))
    await append(message('shared secret'))
    const content = await mail.content(message('shared secret'))
    await fill()
    assert.deepEqual([...(await reads.holders(inbox, 'shared secret'))!], [31])
    assert.deepEqual([...(await reads.holders(bobs, 'shared secret'))!], [])
    await mail.writes.append(ownAccess(bob, bobs), [{ content, flags: [] }])
    await mail.writes.copy(ownAccess(ann, inbox), [[31, 31]], ownAccess(ann, await mail.mailbox(ann, 'Archive')))
    // The message is new and the content is not: found at once, and after the next steps.
    assert.deepEqual([...(await reads.holders(bobs, 'shared secret'))!], [1])
    await fill()
    assert.deepEqual([...(await reads.holders(bobs, 'shared secret'))!], [1])
    assert.deepEqual([...(await reads.holders(await mail.mailbox(ann, 'Archive'), 'shared secret'))!], [1])
    assert.deepEqual([...(await reads.holders(bobs, 'number 7'))!], [])
  })
})

onEachStore('what was swept leaves the index, and what is too long is looked at always', async (bench) => {
  await withIndex(bench, async ({ mail, reads, writer, ann, inbox, append, fill }) => {
    for (let n = 0; n < 30; n++) await append(message(`number ${n}`), 'X-Prefix: common\r\n')
    await append(message('long', [], 'a long line of text\r\n'.repeat(250_000)))
    await fill()
    assert.deepEqual([...(await reads.holders(inbox, 'number 7'))!].sort(), [31, 8])
    const before = await bench.store.read((tx) => indexingRows.heights(tx))
    assert.deepEqual(writer.cursors, { ...before, packed: 0 })
    await mail.writes.setFlags(ownAccess(ann, inbox), [[1, 31]], { mode: 'add', flags: ['\\Deleted'] })
    await mail.writes.expunge(ownAccess(ann, inbox))
    assert.equal((await sweepContents(bench.store)).contents, 31)
    await sweepIndex(bench.store, writer)
    for (const part of ['text_index', 'prefix_index', 'unindexed'] as const)
      assert.deepEqual(await writer.ids(part, 0), [], part)
    await append(message('number 7 again'))
    assert.deepEqual([...(await reads.holders(inbox, 'number 7'))!], [32])
  })
})

onEachStore('a file that is deleted fills again, and one of another store or state is begun anew', async (bench) => {
  await withIndex(bench, async ({ append, fill }) => {
    for (let n = 0; n < 40; n++) await append(message(`number ${n}`))
    await fill()
  })
  const { data } = bench.options
  const path = join(data, 'search.db')
  const heights = await bench.store.read((tx) => indexingRows.heights(tx))
  const hashOf = (content: number) => bench.store.read((tx) => indexingRows.hashOf(tx, content))
  const check = (facts: { store?: string; heights?: Heights; hashOf?: typeof hashOf } = {}) =>
    checkSearchFile(data, { store: 'this', heights, hashOf, ...facts }, silentLog)
  const refill = async () => {
    const readable = await openReadStore(bench.options)
    const writer = await openSearchWriter({ data, store: 'this', log: silentLog })
    const indexer = createIndexer({ store: readable, index: writer, clock: hurried(), log: silentLog })
    while ((await indexer.step()) !== 'done');
    const { cursors } = writer
    await writer.close()
    await readable.close()
    return cursors
  }
  // Too few to be packed.
  const whole = { ...heights, packed: 0 }
  const nothing = { contents: 0, messages: 0, packed: 0 }
  assert.deepEqual(await check(), whole)
  for (const other of [
    { store: 'another' },
    { heights: { ...heights, contents: heights.contents - 1 } },
    { hashOf: async () => '00' },
  ]) {
    assert.deepEqual(await check(other), nothing)
    assert.equal(existsSync(path), false)
    assert.deepEqual(await refill(), whole)
  }
  const file = new DatabaseSync(path)
  file.exec('PRAGMA user_version = 1')
  file.close()
  assert.deepEqual(await check(), nothing, 'of another version')
  assert.deepEqual(await refill(), whole)
  // Swept since.
  assert.deepEqual(await check({ hashOf: async () => undefined }), whole)
  rmSync(path)
  assert.deepEqual(await refill(), whole)
})

/** Noise over a part of the file. */
function damage(path: string, at: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(8192, 0xa5), 0, 8192, at)
}

onEachStore(
  'a damaged file is begun anew with a line in the log, and searches stay right',
  async (bench) => {
    const warnings: string[] = []
    const log: Log = { ...silentLog, warn: (_: unknown, text?: string) => void warnings.push(text ?? '') } as Log
    await withIndex(bench, async ({ append, fill }) => {
      for (let n = 0; n < 300; n++) await append(message(`number ${n}`, [], `word${n * 7919} and ${n ** 3}\r\n`))
      await fill()
    })
    const path = join(bench.options.data, 'search.db')
    for (const at of [0, 4096, Math.floor(statSync(path).size / 8192) * 4096]) {
      damage(path, at)
      await withIndex(
        bench,
        async ({ reads, fill, append, inbox }) => {
          for (let n = 0; n < 300; n += 60) {
            const found = await reads.holders(inbox, `word${n * 7919}`)
            assert.ok(!found || found.has(n + 1))
          }
          await append(message('one more'))
          await fill()
          await fill()
          const again = await reads.holders(inbox, 'word7919')
          assert.ok(!again || again.has(2))
        },
        log,
      )
    }
    assert.ok(warnings.length > 0)
  },
  { only: 'sqlite' },
)

test('a writer killed at any moment leaves a file that is whole, with its cursor', async () => {
  const data = mkdtempSync(join(tmpdir(), 'posthorn-index-'))
  try {
    let last = 0
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [resolve(import.meta.dirname, 'testing/fill-index.ts'), data], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await new Promise((done) => child.stdout.once('data', done))
      await new Promise((done) => setTimeout(done, 20 + 30 * round))
      child.kill('SIGKILL')
      await new Promise((done) => child.once('exit', done))
      const warnings: string[] = []
      const log: Log = { ...silentLog, warn: (_: unknown, text?: string) => void warnings.push(text ?? '') } as Log
      const writer = await openSearchWriter({ data, store: 'this', log })
      const { contents } = writer.cursors
      assert.deepEqual(warnings, [])
      assert.ok(contents >= last && contents > 0, `${contents} after ${last}`)
      last = contents
      const reader = openSearchReader({ data, clock: realClock, log })
      const found = await reader.candidates({ grams: ['tex', 'ext'] }, 1_000_000)
      assert.deepEqual(
        found!.contents,
        Array.from({ length: contents }, (_, i) => i + 1),
      )
      reader.close()
      await writer.close()
    }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
})
