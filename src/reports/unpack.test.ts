// What reports are packed in, and what is packed to do harm.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { reportLimits } from './limits.ts'
import { MalformedReport } from './types.ts'
import { unpack } from './unpack.ts'

interface File {
  readonly name: string
  readonly data: Buffer
  readonly method?: number
  readonly flags?: number
  /** What the directory says of its size. */
  readonly size?: number
  /** Where the directory says it stands. */
  readonly at?: number
}

/** A zip as others write it, or as nobody should. */
function zip(files: readonly File[], more: { readonly count?: number } = {}): Buffer {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let at = 0
  for (const { name, data, method = 8, flags = 0, size = data.length, at: said } of files) {
    const packed = method === 8 ? deflateRawSync(data) : data
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(20, 4)
    local.writeUInt16LE(flags, 6)
    local.writeUInt16LE(method, 8)
    local.writeUInt32LE(crc32(data), 14)
    local.writeUInt32LE(packed.length, 18)
    local.writeUInt32LE(size, 22)
    local.writeUInt16LE(name.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50, 0)
    entry.writeUInt16LE(flags, 8)
    entry.writeUInt16LE(method, 10)
    entry.writeUInt32LE(packed.length, 20)
    entry.writeUInt32LE(size, 24)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(said ?? at, 42)
    locals.push(local, Buffer.from(name), packed)
    central.push(entry, Buffer.from(name))
    at += 30 + name.length + packed.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(more.count ?? files.length, 8)
  end.writeUInt16LE(more.count ?? files.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...locals, directory, end])
}

const a = Buffer.from('<feedback/>')
const b = Buffer.from('{"a":1}')
const refused = (why: RegExp) => (error: unknown) => error instanceof MalformedReport && why.test(error.message)
const heap = () => process.memoryUsage().rss

test('gzip, zip with one file and with several, stored, with folders, and nothing at all', async () => {
  assert.deepEqual(await unpack(a), [a])
  assert.deepEqual(await unpack(gzipSync(a)), [a])
  assert.deepEqual(await unpack(zip([{ name: 'a.xml', data: a }])), [a])
  const several = zip([
    { name: 'day/', data: Buffer.alloc(0), method: 0 },
    { name: 'day/a.xml', data: a },
    { name: 'b.json', data: b, method: 0 },
  ])
  assert.deepEqual(await unpack(several), [a, b])
  assert.deepEqual(await unpack(Buffer.concat([zip([{ name: 'a.xml', data: a }]), Buffer.from('')])), [a])
})

test('a gzip bomb ends where a report does, and costs no memory', async () => {
  // 256 MiB of blanks in 256 KiB.
  const bomb = gzipSync(Buffer.alloc(256 * 2 ** 20, 0x20), { level: 9 })
  const before = heap()
  await assert.rejects(unpack(bomb), refused(/unpacks to more/))
  assert.ok(heap() - before < 80 * 2 ** 20, `${Math.round((heap() - before) / 2 ** 20)} MiB more`)
})

test('a small bomb is known by its ratio', async () => {
  const bomb = gzipSync(Buffer.alloc(15 * 2 ** 20, 0x20), { level: 9 })
  assert.ok(15 * 2 ** 20 < reportLimits.unpacked && bomb.length < 20_000)
  await assert.rejects(unpack(bomb), refused(/unpacks to more/))
})

test('zip bombs: one large file, many files together, one that lies about its size', async () => {
  const large = Buffer.alloc(40 * 2 ** 20, 0x20)
  await assert.rejects(unpack(zip([{ name: 'a.xml', data: large }])), refused(/unpacks to more/))
  await assert.rejects(unpack(zip([{ name: 'a.xml', data: large, size: 10 }])), refused(/unpacks to more/))
  const noise = Buffer.from(Array.from({ length: 6 * 2 ** 20 }, (_, i) => (i * 7919) & 0xff))
  const many = Array.from({ length: 5 }, (_, i) => ({ name: `${i}.xml`, data: noise, method: 0 }))
  await assert.rejects(unpack(zip(many)), refused(/unpacks to more/))
})

test('an overlapping zip (the better bomb): every file counts, whatever bytes it shares', async () => {
  const large = Buffer.alloc(3 * 2 ** 20, 0x61)
  const files = Array.from({ length: 20 }, (_, i) => ({ name: 'a.xml', data: large, ...(i > 0 && { at: 0 }) }))
  await assert.rejects(unpack(zip(files)), refused(/unpacks to more/))
})

test('too many files, 64-bit zips, encrypted files, other methods, archives in archives', async () => {
  await assert.rejects(unpack(zip(Array.from({ length: 21 }, () => ({ name: 'a', data: a })))), refused(/has 21 files/))
  await assert.rejects(unpack(zip([{ name: 'a', data: a }], { count: 0xffff })), refused(/64-bit/))
  await assert.rejects(unpack(zip([{ name: 'a', data: a, flags: 1 }])), refused(/no file/))
  await assert.rejects(unpack(zip([{ name: 'a', data: a, method: 12 }])), refused(/no file/))
  const inner = zip([{ name: 'a.xml', data: a }])
  assert.deepEqual(await unpack(zip([{ name: 'b.zip', data: inner }])), [inner])
})

test('what is cut or damaged says so', async () => {
  const whole = zip([
    { name: 'a.xml', data: a },
    { name: 'b.xml', data: b },
  ])
  for (let length = 4; length < whole.length; length++)
    await unpack(whole.subarray(0, length)).catch((error: unknown) =>
      assert.ok(error instanceof MalformedReport, String(error)),
    )
  for (let at = 4; at < whole.length; at++) {
    const damaged = Buffer.from(whole)
    damaged[at] = damaged[at]! ^ 0xff
    await unpack(damaged).catch((error: unknown) => assert.ok(error instanceof MalformedReport, `${at}: ${error}`))
  }
  await assert.rejects(unpack(gzipSync(a).subarray(0, 15)), refused(/cannot be unpacked/))
})
