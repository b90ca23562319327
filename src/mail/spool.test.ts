// The spool: what comes in any chunks comes out as content, in memory or in a file, and nothing is left of what was given up.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isFault, notePassing, realClock, silentLog } from '../base/index.ts'
import { openStore, type Store } from '../store/index.ts'
import { createSpool } from './spool.ts'
import type { NewContent } from './types.ts'

async function withStore(run: (store: Store, blobFiles: () => string[]) => Promise<void>): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'posthorn-spool-'))
  const fail = (error: Error) => assert.fail(error)
  const store = await openStore({
    store: 'sqlite',
    data,
    clock: realClock,
    log: silentLog,
    onFatal: fail,
    inlineLimit: 1000,
  })
  const blobFiles = () =>
    readdirSync(join(data, 'blobs'), { recursive: true, withFileTypes: true }).flatMap((f) =>
      f.isFile() ? [f.name] : [],
    )
  try {
    await run(store, blobFiles)
  } finally {
    await store.close()
    rmSync(data, { recursive: true, force: true })
  }
}

async function spool(
  store: Store,
  text: string,
  chunk: number,
  onHeader?: (header: Buffer) => Promise<Buffer>,
): Promise<NewContent> {
  const spool = createSpool({ blobs: store.blobs, maxSize: 10_000_000, onHeader })
  const bytes = Buffer.from(text)
  for (let i = 0; i < bytes.length; i += chunk) await spool.write(bytes.subarray(i, i + chunk))
  return spool.finish()
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const head = 'From: ann@example.test\r\nSubject: Chunks\r\nMessage-ID: <c@example.test>\r\n\r\n'

test('small stays in memory, large becomes a file; both are the same bytes', async () => {
  await withStore(async (store, blobFiles) => {
    for (const body of ['short\r\n', 'A longer line of text.\r\n'.repeat(500)]) {
      const text = head + body
      for (const chunk of [1, 7, 100, 1_000_000]) {
        const content = await spool(store, text, chunk)
        assert.equal(Buffer.from(content.hash).toString('hex'), sha256(text))
        assert.equal(content.size, text.length)
        assert.equal(content.digest.messageId, 'c@example.test')
        assert.match(content.digest.preview, body.startsWith('short') ? /short/ : /longer line of text/)
        assert.equal(JSON.parse(content.structure).end, text.length)
        const stored = content.file
          ? await store.blobs.read(content.file, 0, content.size)
          : Buffer.from(content.bytes!)
        assert.equal(stored.toString(), text)
        assert.equal(content.file === undefined, text.length <= 1000)
      }
    }
    assert.equal(blobFiles().length, 4)
  })
})

test('bytes stand in a buffer of their own, fit to be moved to another thread', async () => {
  await withStore(async (store) => {
    const content = await spool(store, `${head}x`, 9)
    assert.equal(content.bytes!.buffer.byteLength, content.size)
    assert.equal(content.hash.buffer.byteLength, 32)
  })
})

test('the header is shown whole, once, and replaced before anything is hashed', async () => {
  await withStore(async (store) => {
    for (const [text, header] of [
      [`${head}body`, head],
      ['\r\nbody', '\r\n'],
      ['Subject: no end', 'Subject: no end'],
      ['', ''],
    ] as const) {
      for (const chunk of [1, 2, 3, 1000]) {
        const seen: string[] = []
        const content = await spool(store, text, chunk, async (bytes) => {
          seen.push(bytes.toString())
          return Buffer.from(`X-New: 1\r\n${bytes}`)
        })
        assert.deepEqual(seen, [header])
        assert.equal(Buffer.from(content.bytes!).toString(), `X-New: 1\r\n${text}`)
        assert.equal(Buffer.from(content.hash).toString('hex'), sha256(`X-New: 1\r\n${text}`))
      }
    }
  })
})

test('too much, and a header without end, are refused and leave nothing', async () => {
  await withStore(async (store, blobFiles) => {
    const small = createSpool({ blobs: store.blobs, maxSize: 5_000 })
    await small.write(Buffer.alloc(3_000, 'x'))
    assert.throws(
      () => small.write(Buffer.alloc(3_000, 'x')),
      (error) => isFault(error, 'too-large'),
    )
    await small.abort()
    const endless = createSpool({ blobs: store.blobs, maxSize: 50_000_000, onHeader: async (header) => header })
    assert.throws(
      () => {
        for (let i = 0; i < 300; i++) assert.equal(endless.write(Buffer.alloc(1_000, 'x')), undefined)
      },
      (error) => isFault(error, 'too-large'),
    )
    await endless.abort()
    const refused = createSpool({ blobs: store.blobs, maxSize: 5_000, onHeader: () => Promise.reject(new Error('no')) })
    await assert.rejects(async () => refused.write(Buffer.from(head)), /no/)
    await refused.abort()
    // Given up while its file is being made.
    const hasty = createSpool({ blobs: store.blobs, maxSize: 5_000 })
    void hasty.write(Buffer.alloc(3_000, 'x'))
    await hasty.abort()
    assert.deepEqual(blobFiles(), [])
  })
})

test('thirty megabytes cost no memory', async () => {
  setFlagsFromString('--expose-gc')
  globalThis.gc ??= runInNewContext('gc') as NodeJS.GCFunction
  await withStore(async (store) => {
    const spool = createSpool({ blobs: store.blobs, maxSize: 50_000_000 })
    await spool.write(Buffer.from(head))
    const line = Buffer.from(`${'y'.repeat(76)}\r\n`.repeat(800))
    const before = process.memoryUsage()
    let peak = 0
    for (let i = 0; i < 500; i++) {
      await spool.write(Buffer.from(line))
      // As a door does with what a socket brings.
      notePassing(line.length)
      const now = process.memoryUsage()
      peak = Math.max(peak, now.arrayBuffers - before.arrayBuffers)
    }
    const content = await spool.finish()
    assert.equal(content.size, head.length + 500 * line.length)
    assert.ok(peak < 25_000_000, `${peak} bytes more at the peak`)
  })
})
