// The table of rooms is law: each import that goes up, or sideways without leave, is named here.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')

/** Bottom-up: a room imports only from rooms on lower lines. */
const table: readonly (readonly string[])[] = [
  ['base'],
  ['address'],
  ['smtp/wire', 'smtp/bounces', 'imap/wire', 'sieve', 'mime', 'ical', 'vcard', 'sasl'],
  ['dns', 'egress'],
  ['mailauth', 'smtp/client'],
  ['store'],
  ['events', 'jobs'],
  ['accounts'],
  ['abuse', 'queue', 'webhooks', 'reputation', 'filters', 'mail', 'pim', 'rules', 'reports', 'trace', 'pgp', 'tls'],
  ['delivery'],
  ['http/server'],
  ['smtp/server', 'imap/server', 'pop3', 'managesieve', 'jmap', 'dav', 'postmark', 'http/api'],
  ['app'],
]
/** Imports on the same line that are allowed: from → to. */
const sideways = new Set([
  'egress → dns',
  'queue → reputation',
  'queue → trace',
  'reports → trace',
  'filters → reputation',
  'filters → mail',
  'pim → mail',
  'rules → mail',
  'imap/wire → mime',
  'smtp/bounces → mime',
])

const level = new Map(table.flatMap((line, i) => line.map((room) => [room, i] as const)))
const rooms = [...level.keys()].sort((a, b) => b.length - a.length)

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

const roomOf = (file: string) => rooms.find((room) => relative(src, file).startsWith(`${room}/`))
const files = filesUnder(src).map((file) => {
  const text = readFileSync(file, 'utf8')
  return {
    file,
    name: relative(root, file),
    text,
    room: roomOf(file),
    test: file.endsWith('.test.ts') || file.includes('/testing/'),
  }
})

interface Import {
  from: (typeof files)[number]
  target: string
  bare: boolean
}
const imports: Import[] = files.flatMap((from) =>
  ts.preProcessFile(from.text, true, true).importedFiles.map(({ fileName }) => ({
    from,
    target: fileName.startsWith('.') ? resolve(dirname(from.file), fileName) : fileName,
    bare: !fileName.startsWith('.'),
  })),
)

test('every file of src stands in a room of the table', () => {
  assert.deepEqual(
    files.filter((f) => !f.room).map((f) => f.name),
    [],
  )
})

test('a room imports only from lower rooms', () => {
  const broken: string[] = []
  for (const { from, target, bare } of imports) {
    if (bare || !from.room) continue
    const to = roomOf(target)
    if (!to) {
      // The manifest says which version this is.
      if (!from.test && relative(root, target) !== 'package.json')
        broken.push(`${from.name} imports ${relative(root, target)}, which is in no room`)
    } else if (to !== from.room && !from.test) {
      if (level.get(to)! > level.get(from.room)!) broken.push(`${from.name} (${from.room}) imports upward from ${to}`)
      if (level.get(to)! === level.get(from.room)! && !sideways.has(`${from.room} → ${to}`))
        broken.push(`${from.name}: ${from.room} → ${to} is not allowed on one line`)
    }
  }
  assert.deepEqual(broken, [])
})

test('a room is entered through its index', () => {
  const broken = imports
    .filter(
      ({ from, target, bare }) =>
        !bare &&
        !from.test &&
        roomOf(target) !== undefined &&
        roomOf(target) !== from.room &&
        !target.endsWith(`/${roomOf(target)}/index.ts`),
    )
    .map(({ from, target }) => `${from.name} imports ${relative(root, target)}`)
  assert.deepEqual(broken, [])
})

test('only the database folders import a driver', () => {
  const broken = imports
    .filter(
      ({ from, target, bare }) =>
        bare &&
        ['node:sqlite', 'pg'].includes(target) &&
        !/^src\/store\/(sqlite|postgres)\//.test(from.name) &&
        !from.test,
    )
    .map(({ from, target }) => `${from.name} imports ${target}`)
  assert.deepEqual(broken, [])
})

test('only dns, egress, smtp/client, filters, store and listen.ts open connections', () => {
  const may = (name: string, room: string | undefined) =>
    ['dns', 'egress', 'smtp/client', 'filters', 'store'].includes(room ?? '') ||
    name.endsWith('/listen.ts') ||
    name.startsWith('src/app/')
  const broken = files
    .filter(({ name, room, test }) => !test && !may(name, room))
    .flatMap(({ name, file, text }) => {
      const uses: string[] = []
      const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
      const walk = (node: ts.Node) => {
        if (
          ts.isCallExpression(node) &&
          /^(net|tls|dgram|http|https|http2)\.(connect|createConnection|createServer|createSocket|request|get)$/.test(
            node.expression.getText(),
          )
        )
          uses.push(`${name}: ${node.expression.getText()}`)
        if (ts.isNewExpression(node) && /^(net\.|tls\.)?(Socket|TLSSocket)$/.test(node.expression.getText()))
          uses.push(`${name}: new ${node.expression.getText()}`)
        if (ts.isCallExpression(node) && node.expression.getText() === 'fetch') uses.push(`${name}: fetch`)
        ts.forEachChild(node, walk)
      }
      walk(source)
      return uses
    })
  assert.deepEqual(broken, [])
})

test('no regular expression touches bytes from the wire', () => {
  const wire = new Set(['smtp/wire', 'smtp/bounces', 'imap/wire', 'mime', 'sieve', 'address', 'dns'])
  const broken: string[] = []
  for (const { name, file, text, room, test } of files) {
    if (test || !wire.has(room ?? '')) continue
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
    const walk = (node: ts.Node) => {
      if (ts.isRegularExpressionLiteral(node)) broken.push(`${name}: ${node.getText()}`)
      if (ts.isNewExpression(node) && node.expression.getText() === 'RegExp') broken.push(`${name}: new RegExp`)
      ts.forEachChild(node, walk)
    }
    walk(source)
  }
  assert.deepEqual(broken, [])
})

test('only app reads the environment', () => {
  const broken = files
    .filter(({ room, text, test }) => !test && room !== 'app' && text.includes('process.env'))
    .map(({ name }) => name)
  assert.deepEqual(broken, [])
})

test('only store holds SQL', () => {
  const broken = files
    .filter(({ room, text, test }) => !test && room !== 'store' && text.includes('sql`'))
    .map(({ name }) => name)
  assert.deepEqual(broken, [])
})

test('no file is called utils, helpers, common or manager', () => {
  const words = ['utils', 'util', 'helpers', 'helper', 'common', 'manager']
  const broken = files
    .filter(({ name }) => name.split('/').some((piece) => words.includes(piece.replace(/\.(test\.)?ts$/, ''))))
    .map(({ name }) => name)
  assert.deepEqual(broken, [])
})
