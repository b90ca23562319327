// What FETCH says of each message of the corpus, beside what Debian's Dovecot says: every difference is listed and judged in
// docs/imap-differences.md, and nothing else differs.

import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { formatBodyStructure, formatEnvelope } from '../../src/imap/wire/index.ts'
import { createScanner } from '../../src/mime/index.ts'
import { startInstallation } from '../server.ts'
import { type Fetched, type ImapTalk, openImap, parseValue, showValue, type Value } from './answers.ts'
import { openDovecot } from './dovecot.ts'
import { needs } from './programs.ts'
import { isSame } from './same.ts'

const root = resolve(import.meta.dirname, '../..')
const corpus = join(root, 'test/corpus/mime')
const page = join(root, 'docs/imap-differences.md')
const users = { 'ada@posthorn.test': 'correct horse' }

interface Difference {
  readonly message: string
  readonly item: string
  readonly ours: string
  readonly theirs: string
}

/** Bare LF becomes CRLF first: Dovecot stores lines in its own way and gives them back with CRLF. */
const load = (name: string) =>
  Buffer.from(readFileSync(join(corpus, name), 'latin1').replaceAll(/(?<!\r)\n/g, '\r\n'), 'latin1')

// Dovecot takes no message without a byte.
const messages = readdirSync(corpus)
  .filter((name) => name.endsWith('.eml') && load(name).length > 0)
  .sort()

test('FETCH agrees with Dovecot on the corpus, but for what docs/imap-differences.md judges', {
  skip: await needs('Dovecot'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ours = openImap(ports.imap)
  const theirs = await openDovecot(t)
  await ours.ok('LOGIN ada@posthorn.test "correct horse"')
  const both = [ours, theirs] as const
  await Promise.all(both.map(fill))
  const found: Difference[] = []
  for (const [i, name] of messages.entries()) found.push(...(await compare(both, i + 1, name.replace('.eml', ''))))
  for (const talk of both) talk.end()
  const rows = rowsOf(found)
  const listed = listedRows()
  const missing = rows.filter((row) => !listed.has(row))
  const stale = [...listed].filter((row) => !rows.includes(row))
  assert.deepEqual(missing, [], `not in docs/imap-differences.md; read, judge and add:\n${missing.join('\n')}`)
  assert.deepEqual(stale, [], 'in docs/imap-differences.md, and no longer true')
})

test('ENVELOPE, BODY and BODYSTRUCTURE of every message of the corpus obey the grammar', () => {
  for (const name of messages) {
    const scanner = createScanner()
    scanner.write(load(name))
    const { root, envelope } = scanner.end()
    for (const text of [formatEnvelope(envelope), formatBodyStructure(root, false), formatBodyStructure(root, true)]) {
      assert.ok(isAscii(Buffer.from(text)), name)
      assert.equal(showValue(parseValue(text)).length > 2, true, name)
    }
  }
})

/** One row for each message: what differs, and the first difference as both have it. */
function rowsOf(found: readonly Difference[]): string[] {
  const byMessage = Map.groupBy(found, ({ message }) => message)
  return [...byMessage].map(([message, differences]) => {
    const { ours, theirs } = differences[0]!
    const items = differences.map(({ item }) =>
      item.replace('HEADER.FIELDS.NOT', 'H.F.NOT').replace('HEADER.FIELDS', 'H.F'),
    )
    return `| ${message} | ${shorten(items)} | ${excerpt(ours, theirs)} | ${excerpt(theirs, ours)} |`
  })
}

const MOST_ITEMS = 6
const shorten = (items: readonly string[]) =>
  items.length > MOST_ITEMS
    ? `${items.slice(0, MOST_ITEMS).join(', ')} and ${items.length - MOST_ITEMS} more`
    : items.join(', ')

/** `text` from a little before the place where it differs from `other`. */
function excerpt(text: string, other: string): string {
  let at = 0
  while (at < text.length && text[at] === other[at]) at++
  const from = at > 24 ? at - 16 : 0
  const piece = `${from > 0 ? '…' : ''}${text.slice(from, from + 60)}${from + 60 < text.length ? '…' : ''}`
  return `\`\` ${piece.replaceAll('|', '\\|')} \`\``
}

/** Rows of the page without their last column, the judgement, which must be one of those that the page explains. */
function listedRows(): Set<string> {
  const text = readFileSync(page, 'utf8')
  const judgements = new Set([...text.matchAll(/^\*\*([A-Z])\.\*\*/gm)].map(([, letter]) => letter))
  const rows = new Set<string>()
  for (const line of text.split('\n')) {
    const [, row, judgement] = /^(\| [a-z0-9-]+ \| .* \|) ([A-Z]) \|$/.exec(line) ?? []
    if (!row) continue
    assert.ok(judgements.has(judgement), `no judgement ${judgement}: ${line}`)
    rows.add(row)
  }
  return rows
}

async function fill(talk: ImapTalk): Promise<void> {
  for (const name of messages) await talk.ok('APPEND INBOX ', load(name))
  await talk.ok('SELECT INBOX')
}

async function compare(both: readonly [ImapTalk, ImapTalk], number: number, message: string): Promise<Difference[]> {
  const first = 'ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] RFC822.HEADER'
  const heads = await fetchBoth(both, number, first)
  const sections = new Set(heads.flatMap((head) => sectionsOf(head.get('BODYSTRUCTURE') as Value[])))
  const [ours, theirs] = heads.map((head) => new Map(head))
  for (const some of inPieces([...sections], ITEMS)) {
    const bodies = await fetchBoth(both, number, some.join(' '))
    for (const [i, of] of [ours!, theirs!].entries())
      for (const [item, value] of bodies[i]!) of.set(item.toUpperCase(), value)
  }
  const found: Difference[] = []
  const bodyOf = (path: string) => {
    const bytes = ours!.get(`BODY[${path}]`)
    return Buffer.isBuffer(bytes) ? bytes : undefined
  }
  for (const item of new Set([...ours!.keys(), ...theirs!.keys()])) {
    const [a, b] = [ours!.get(item), theirs!.get(item)]
    if (!isSame(item, a, b, bodyOf)) found.push({ message, item, ours: show(a), theirs: show(b) })
  }
  return found
}

const show = (value: Value | undefined) => (value === undefined ? 'nothing' : showValue(value))

const fetchBoth = (both: readonly [ImapTalk, ImapTalk], number: number, items: string): Promise<Fetched[]> =>
  Promise.all(both.map((talk) => talk.fetch(number, items)))

/** Items of one FETCH: fewer than the limit of either server. */
const ITEMS = 90
function* inPieces<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

/** Parts beyond these are too many to ask for each. */
const MOST = 25

/** Every section that a client can ask for after it has seen this structure. */
function sectionsOf(structure: readonly Value[]): string[] {
  const asked = [
    'HEADER.FIELDS (From Subject Content-Type X-None)',
    'HEADER.FIELDS.NOT (from DATE)',
    ...partsOf(structure, []).slice(0, MOST).flatMap(sectionsOfPart),
  ].map((section) => `BODY.PEEK[${section}]`)
  return [...asked, 'BODY.PEEK[]<7.20>', 'BODY.PEEK[TEXT]<2.9>', 'BODY.PEEK[HEADER]<999999.5>', 'BODY.PEEK[1]<1.3>']
}

interface Found {
  readonly path: string
  readonly isMessage: boolean
}

function sectionsOfPart({ path, isMessage }: Found): string[] {
  const own = [path, `${path}.MIME`]
  if (!isMessage) return own
  return [
    ...own,
    `${path}.HEADER`,
    `${path}.TEXT`,
    `${path}.HEADER.FIELDS (Subject)`,
    `${path}.HEADER.FIELDS.NOT (Subject)`,
  ]
}

/** Numbered as RFC 9051 §6.4.5.1 has it. */
function partsOf(structure: readonly Value[], path: readonly number[]): Found[] {
  if (!Array.isArray(structure[0])) return single(structure, path.length === 0 ? [1] : path)
  const found: Found[] = path.length === 0 ? [] : [{ path: path.join('.'), isMessage: false }]
  for (const [i, child] of structure.entries()) {
    if (!Array.isArray(child)) break
    found.push(...partsOf(child, [...path, i + 1]))
  }
  return found
}

function single(structure: readonly Value[], path: readonly number[]): Found[] {
  const contained = structure[8]
  const isMessage = Array.isArray(contained) && String(structure[0]).toLowerCase() === 'message'
  const found: Found[] = [{ path: path.join('.'), isMessage }]
  if (!isMessage) return found
  if (Array.isArray(contained[0])) return [...found, ...partsOf(contained, path).slice(1)]
  return [...found, ...partsOf(contained, [...path, 1])]
}
