// Messages converted for hosts that take less: what each part decodes to stays, and nothing is left that such a host does not take.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type ConversionPlan,
  convert,
  createScanner,
  decodeBody,
  type Limit,
  type Part,
  planConversion,
} from './index.ts'

const folder = resolve(import.meta.dirname, '../../test/corpus/mime')
/** A type beyond ASCII cannot be kept. */
const corpus = readdirSync(folder).filter((name) => name.endsWith('.eml') && name !== 'type-8bit-subtype.eml')

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

type Done =
  | { readonly bytes: Buffer; readonly plan: ConversionPlan }
  | { readonly problem: { readonly status: string } }

async function convertWith(bytes: Buffer, limit: Limit, size = 7919): Promise<Done> {
  const data = () => pieces(bytes, size)
  const plan = await planConversion(data, limit)
  if ('problem' in plan) return { problem: plan.problem }
  const out: Buffer[] = []
  for await (const piece of convert(plan, data())) out.push(piece)
  return { bytes: Buffer.concat(out), plan }
}

function scan(bytes: Buffer): Part {
  const scanner = createScanner()
  scanner.write(bytes)
  return scanner.end().root
}

/** What every leaf decodes to, with its type, in order. */
function leaves(bytes: Buffer, part = scan(bytes)): { type: string; body: Buffer }[] {
  if (part.parts) return part.parts.flatMap((child) => leaves(bytes, child))
  if (part.message && part.subtype !== 'global') return leaves(bytes, part.message.root)
  return [
    { type: `${part.type}/${part.subtype}`, body: decodeBody(part.encoding, bytes.subarray(part.body, part.end)) },
  ]
}

/** What the host cannot take; empty when all is well. */
function faults(bytes: Buffer, limit: Limit, part = scan(bytes)): string[] {
  const found: string[] = []
  if (limit === '7bit' && bytes.some((c) => c > 127)) found.push('eight bits')
  if (bytes.includes(0)) found.push('NUL')
  const visit = (one: Part) => {
    const children = one.parts ?? (one.message && one.subtype !== 'global' ? [one.message.root] : [])
    if (one.encoding === 'binary' || (limit === '7bit' && one.encoding === '8bit')) found.push(`label ${one.encoding}`)
    for (const child of children) visit(child)
  }
  visit(part)
  return found
}

function encodedLines(bytes: Buffer, { steps }: ConversionPlan): void {
  if (!steps.some(({ kind }) => kind === 'encode')) return
  const visit = (part: Part) => {
    for (const child of part.parts ?? (part.message ? [part.message.root] : [])) visit(child)
    if (part.parts || part.message || part.encoding !== 'quoted-printable') return
    for (const line of bytes.toString('latin1', part.body, part.end).split('\r\n')) assert.ok(line.length <= 998)
  }
  visit(scan(bytes))
}

for (const limit of ['7bit', '8bit'] as const)
  test(`the corpus converted to ${limit}: every part decodes to what it was`, async () => {
    let converted = 0
    for (const name of corpus) {
      const before = readFileSync(join(folder, name))
      const done = await convertWith(before, limit)
      if (!('bytes' in done)) continue
      const { bytes, plan } = done
      if (!bytes.equals(before)) converted++
      assert.deepEqual(faults(bytes, limit), [], name)
      const was = leaves(before)
      const is = leaves(bytes)
      assert.equal(is.length, was.length, name)
      for (const [i, one] of was.entries()) {
        assert.equal(is[i]!.type, one.type, name)
        // The root's last line may have been completed; what is base64 may have had characters that say nothing.
        assert.ok(
          is[i]!.body.equals(one.body),
          `${name} part ${i}\n${one.body.toString('latin1').slice(0, 300)}\n---\n${is[i]!.body.toString('latin1').slice(0, 300)}`,
        )
      }
      encodedLines(bytes, plan)
      if (before.length < 300)
        assert.deepEqual((await convertWith(before, limit, 1)) as unknown, done, `${name} byte by byte`)
    }
    assert.ok(converted > 25, `${converted} converted`)
  })

/** A message of random parts: nested multiparts and messages, bodies of any bytes under any label. */
const leaf = fc.record({
  type: fc.constantFrom(
    'text/plain; charset=utf-8',
    'text/html; charset=iso-8859-1',
    'image/png',
    'application/octet-stream',
  ),
  label: fc.constantFrom('8bit', 'binary', '7bit', ''),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc
      .array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 20 })
      .map((lines) => Buffer.from(lines.join('\r\n')).toString('latin1')),
    fc.string({ maxLength: 2_000 }).map((text) => text.replaceAll('a', ' \r\n')),
  ),
})
type Tree =
  | { readonly leaf: { type: string; label: string; body: string } }
  | { readonly parts: readonly Tree[] }
  | { readonly message: Tree }
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf.map((one) => ({ leaf: one })),
    fc.array(tie('tree'), { minLength: 1, maxLength: 4 }).map((parts) => ({ parts })),
    tie('tree').map((message) => ({ message })),
  ),
}))

function write(one: Tree, depth = 0): string {
  if ('leaf' in one) {
    const { type, label, body } = one.leaf
    return `Content-Type: ${type}\r\n${label ? `Content-Transfer-Encoding: ${label}\r\n` : ''}\r\n${body}`
  }
  const head = (type: string) => `Content-Type: ${type}\r\nContent-Transfer-Encoding: binary\r\n\r\n`
  if ('message' in one)
    return `${head('message/rfc822')}Subject: within\r\nMIME-Version: 1.0\r\n${write(one.message, depth + 1)}`
  const parts = one.parts.map((part) => `--b${depth}=_\r\n${write(part, depth + 1)}\r\n`)
  return `${head(`multipart/mixed; boundary="b${depth}=_"`)}pre\xe4mble\r\n${parts.join('')}--b${depth}=_--\r\n`
}

test('random messages converted: every part decodes to what it was', async () => {
  await fc.assert(
    fc.asyncProperty(
      tree,
      fc.constantFrom<Limit>('7bit', '8bit'),
      fc.integer({ min: 1, max: 200 }),
      async (one, limit, size) => {
        const before = Buffer.from(`Subject: t\xe4st\r\nMIME-Version: 1.0\r\n${write(one)}`, 'latin1')
        const done = await convertWith(before, limit, size)
        assert.ok('bytes' in done)
        assert.deepEqual(faults(done.bytes, limit), [])
        assert.deepEqual(leaves(done.bytes), leaves(before))
        encodedLines(done.bytes, done.plan)
      },
    ),
    { numRuns: process.env['POSTHORN_FULL'] === '1' ? 5_000 : 150 },
  )
})

const message = (...lines: string[]) => Buffer.from(lines.join('\r\n'), 'latin1')
const convertText = async (limit: Limit, ...lines: string[]) => {
  const done = await convertWith(message(...lines), limit)
  return 'bytes' in done ? done.bytes.toString('latin1') : done.problem.status
}

test('what a conversion writes, to be read by a human', async () => {
  assert.equal(
    await convertText(
      '7bit',
      'From: "J\xf6rg \\"X\\" M" <j@a.test>',
      'Subject: Gr\xc3\xbc\xc3\x9fe und mehr',
      '',
      'Gr\xc3\xbc\xc3\x9fe = 1 ',
      '',
    ),
    [
      `From: =?unknown-8bit?B?${Buffer.from('J\xf6rg "X" M', 'latin1').toString('base64')}?= <j@a.test>`,
      'Subject: =?utf-8?B?R3LDvMOfZQ==?= und mehr',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Gr=C3=BC=C3=9Fe =3D 1=20',
      '',
    ].join('\r\n'),
  )
  assert.equal(
    await convertText(
      '7bit',
      'Content-Type: multipart/mixed; boundary=x',
      'content-transfer-encoding: 8bit',
      '',
      '--x',
      '',
      'plain',
      '--x',
      'Content-Type: image/png; name="\xe4.png"',
      'Content-Transfer-Encoding: binary',
      '',
      '\xff\x00\xfe',
      '--x--',
      '',
    ),
    [
      'Content-Type: multipart/mixed; boundary=x',
      'Content-Transfer-Encoding: 7bit',
      '',
      '--x',
      '',
      'plain',
      '--x',
      'Content-Type: image/png; name="=?unknown-8bit?B?5C5wbmc=?="',
      'Content-Transfer-Encoding: base64',
      '',
      '/wD+',
      '--x--',
      '',
    ].join('\r\n'),
  )
})

test('what is signed is never changed: it is not converted, and around it nothing is', async () => {
  const signed = (body: string) => [
    'MIME-Version: 1.0',
    'Content-Type: multipart/signed; boundary=x',
    '',
    '--x',
    'Content-Transfer-Encoding: 8bit',
    '',
    body,
    '--x',
    'Content-Type: application/pgp-signature',
    '',
    'sig',
    '--x--',
    '',
  ]
  assert.equal(await convertText('7bit', ...signed('b\xe4r')), '5.6.2')
  assert.equal(await convertText('7bit', ...signed('bar')), message(...signed('bar')).toString('latin1'))
  assert.ok((await convertText('8bit', ...signed('b\xe4r'))).includes('b\xe4r'))
})

test('what cannot be converted says why', async () => {
  const deep = Array.from({ length: 60 }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}`)
  assert.equal(await convertText('7bit', ...deep, '', '\xe4'), '5.6.3')
  assert.equal(await convertText('7bit', 'Content-Type: message/partial; id=1; number=1', '', 'b\xe4r'), '5.6.3')
  assert.equal(await convertText('7bit', `X: ${'x'.repeat(300_000)}`, '', 'b\xe4r'), '5.6.3')
})

test('50 MB are converted in little memory', { skip: process.env['POSTHORN_FULL'] !== '1' }, async () => {
  const chunk = Buffer.alloc(65_536, 'Gr\xfc\xdfe aus der Ferne\r\n', 'latin1')
  async function* data() {
    yield Buffer.from('Subject: large\r\n\r\n')
    for (let i = 0; i < 800; i++) yield chunk
  }
  const before = process.memoryUsage().rss
  const plan = await planConversion(data, '7bit')
  assert.ok('steps' in plan)
  let most = 0
  let size = 0
  for await (const piece of convert(plan, data())) {
    size += piece.length
    most = Math.max(most, process.memoryUsage().rss)
  }
  assert.ok(size > 52_428_800)
  assert.ok(most - before < 60_000_000, `${most - before} bytes more`)
})
