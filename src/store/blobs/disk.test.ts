// The life of a large content's file.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFault, silentLog } from '../../base/index.ts'
import type { Blobs } from '../types.ts'
import { openDiskBlobs } from './disk.ts'

const hash = 'ab'.repeat(32)

/** A test on an empty folder; `points` are the fault points that were passed. */
function onFolder(name: string, run: (blobs: Blobs, folder: string, points: string[]) => Promise<void>): void {
  test(name, async () => {
    const root = mkdtempSync(join(tmpdir(), 'posthorn-blobs-'))
    const folder = join(root, 'blobs')
    const points: string[] = []
    const fault = (point: string) => void points.push(point)
    try {
      await run(await openDiskBlobs({ folder, inlineLimit: 10, log: silentLog, now: Date.now, fault }), folder, points)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })
}

async function store(blobs: Blobs, ...chunks: readonly Uint8Array[]): Promise<string> {
  const writer = await blobs.create()
  for (const chunk of chunks) await writer.write(chunk)
  return writer.finish(hash)
}

onFolder('written, synced, renamed and its folder synced, in this order', async (blobs, folder, points) => {
  const name = await store(blobs, Buffer.from('hello '), new Uint8Array([119, 111, 114, 108, 100]))
  assert.match(name, /^abababababababab-[0-9a-f]{20}$/)
  assert.deepEqual(points, ['blob.created', 'blob.written', 'blob.synced', 'blob.renamed', 'blob.folder-synced'])
  assert.equal(statSync(join(folder, 'ab', name)).mode & 0o777, 0o600)
  assert.equal(statSync(join(folder, 'ab')).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
  assert.equal((await blobs.read(name, 6, 11)).toString(), 'world')
})

onFolder('the same content written twice has two names', async (blobs) => {
  assert.notEqual(await store(blobs, Buffer.from('x')), await store(blobs, Buffer.from('x')))
})

for (const [size, most] of [
  [300_000, 262_144],
  [1_500_000, 65_536],
] as const)
  onFolder(`streams ${size} bytes in chunks of at most ${most}, whole or a range`, async (blobs) => {
    const bytes = Buffer.alloc(size, 'posthorn')
    const name = await store(blobs, bytes)
    const collect = async (start?: number, end?: number) => {
      const chunks: Buffer[] = []
      for await (const chunk of blobs.stream(name, start, end)) chunks.push(chunk)
      assert.ok(chunks.every((chunk) => chunk.length <= (start === undefined ? most : 262_144)))
      return Buffer.concat(chunks)
    }
    assert.ok((await collect()).equals(bytes))
    assert.ok((await collect(65_000, 140_001)).equals(bytes.subarray(65_000, 140_001)))
    assert.ok((await collect(size - 1)).equals(bytes.subarray(size - 1)))
    await assert.rejects(collect(size - 1, size + 1), (error) => isFault(error, 'internal'))
  })

onFolder('an aborted write leaves nothing', async (blobs, folder) => {
  const writer = await blobs.create()
  await writer.write(Buffer.from('x'))
  await writer.abort()
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
})

onFolder('a lost file and a short file are told, not answered with other bytes', async (blobs) => {
  const name = await store(blobs, Buffer.from('short'))
  await assert.rejects(blobs.read(name, 0, 6), (error) => isFault(error, 'internal'))
  await blobs.remove(name)
  await blobs.remove(name)
  await assert.rejects(blobs.read(name, 0, 1), (error) => isFault(error, 'internal'))
})

onFolder('a name cannot leave the folder', async (blobs) => {
  for (const name of ['../../etc/passwd', 'ab/../../x', 'tmp/../x', '', 'abcd', 'ab-', '/etc/passwd', 'ab-1\0'])
    await assert.rejects(blobs.read(name, 0, 1), (error) => isFault(error, 'invalid'), name)
})

onFolder('lists what is old enough, page by page, leftovers too', async (blobs, folder) => {
  const old = await store(blobs, Buffer.from('old'))
  const young = await store(blobs, Buffer.from('young'))
  const unfinished = await blobs.create()
  const leftover = readdirSync(join(folder, 'tmp'))[0]!
  const longAgo = new Date(Date.now() - 7_200_000)
  utimesSync(join(folder, 'ab', old), longAgo, longAgo)
  utimesSync(join(folder, 'tmp', leftover), longAgo, longAgo)
  assert.deepEqual(await blobs.list(3_600_000), [old, `tmp/${leftover}`])
  assert.deepEqual(await blobs.list(3_600_000, old), [`tmp/${leftover}`])
  assert.deepEqual(await blobs.list(3_600_000, `tmp/${leftover}`), [])
  assert.deepEqual(await blobs.list(-1), [...[old, young].sort(), `tmp/${leftover}`])
  await blobs.remove(`tmp/${leftover}`)
  await unfinished.abort()
  assert.ok((await blobs.free()) > 0)
})
