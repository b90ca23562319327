// Every message of the corpus against its golden, and against being cut at every byte.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import PostalMime from 'postal-mime'
import { createScanner, decodeBody, digest, type Part, type Scan, searchHeader } from './index.ts'
import { bodyOf } from './testing/search.ts'

const folder = resolve(import.meta.dirname, '../../test/corpus/mime')
const messages = readdirSync(folder).filter((name) => name.endsWith('.eml'))
const load = (name: string) => readFileSync(join(folder, name))

function scanIn(bytes: Buffer, ...cuts: number[]): Scan {
  const scanner = createScanner()
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    scanner.write(bytes.subarray(from, cut))
    from = cut
  }
  return scanner.end()
}

function leaves(part: Part): Part[] {
  if (part.message) return [part, ...leaves(part.message.root)]
  return part.parts ? part.parts.flatMap(leaves) : [part]
}

test('each message scans and digests to its golden', () => {
  assert.ok(messages.length >= 400)
  for (const name of messages) {
    const bytes = load(name)
    const scan = scanIn(bytes)
    const found = {
      scan: { ...scan, header: scan.header.length },
      digest: digest(scan, (start, end) => bytes.subarray(start, end)),
      search: { header: searchHeader(scan.header), body: bodyOf(scan.root, bytes).join('') },
    }
    const golden = join(folder, name.replace('.eml', '.json'))
    const text = `${JSON.stringify(found, null, 1)}\n`
    if (process.env['POSTHORN_GOLDENS'] === 'write') writeFileSync(golden, text)
    assert.ok(existsSync(golden), `${name} has no golden`)
    assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(golden, 'utf8')), name)
  }
})

test('the way a message is cut into chunks makes no difference', () => {
  for (const name of messages) {
    const bytes = load(name)
    const whole = scanIn(bytes)
    const step = bytes.length > 700 ? 31 : 1
    for (let cut = 0; cut <= bytes.length; cut += step) assert.deepEqual(scanIn(bytes, cut), whole, `${name} at ${cut}`)
    assert.deepEqual(scanIn(bytes, ...bytes.keys()), whole, `${name} byte by byte`)
  }
})

test('reading later gives the same digest as reading at once', async () => {
  for (const name of messages) {
    const bytes = load(name)
    const scan = scanIn(bytes)
    const later = await digest(scan, async (start, end) => bytes.subarray(start, end))
    assert.deepEqual(
      later,
      digest(scan, (start, end) => bytes.subarray(start, end)),
      name,
    )
  }
})

const withoutCr = (bytes: Buffer) => bytes.toString('latin1').replaceAll('\r', '').trimEnd()

// postal-mime writes LF for CRLF, does not know x-uuencode, and parses message/rfc822 only where it is no attachment.
test('attachments agree with postal-mime', async () => {
  let compared = 0
  for (const name of messages) {
    const bytes = load(name)
    const other = await PostalMime.parse(bytes, { attachmentEncoding: 'arraybuffer' })
    const parts = leaves(scanIn(bytes).root)
    if (parts.some((part) => part.encoding === 'x-uuencode')) continue
    const ours = parts.map((part) => withoutCr(decodeBody(part.encoding, bytes.subarray(part.body, part.end))))
    for (const { content, filename, mimeType } of other.attachments) {
      const wanted = withoutCr(Buffer.from(content as ArrayBuffer))
      assert.ok(ours.includes(wanted), `${name}: ${filename} (${mimeType}) of ${wanted.length}`)
      compared++
    }
  }
  assert.ok(compared >= 40, `${compared} attachments`)
})
