// docs/standards.tsv against the code and against a running server: each RFC that a line obeys is listed with the sections cited
// and the rooms that cite them, and whatever a door announces is kept. POSTHORN_REWRITE=1 writes rooms and sections anew;
// number, title, state and what is announced under it are a person's.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { startInstallation } from './server.ts'

const root = resolve(import.meta.dirname, '..')
const file = join(root, 'docs/standards.tsv')
// A server takes every POSTHORN_ variable for a key of its configuration.
const rewrite = process.env['POSTHORN_REWRITE'] === '1'
delete process.env['POSTHORN_REWRITE']
const head = 'rfc\ttitle\tstate\tannounced\trooms\tsections'

interface Row {
  readonly rfc: number
  readonly title: string
  readonly state: string
  /** The keywords of EHLO, CAPABILITY and CAPA (`POP3:` and the keyword) that promise this standard. */
  readonly announced: string
  readonly rooms: string
  readonly sections: string
}

/** Keywords of which no RFC speaks. */
const withoutRfc: { readonly [keyword: string]: string } = {
  'AUTH=LOGIN': 'an expired draft (draft-murchison-sasl-login) that Outlook needs',
}

interface Citation {
  readonly rooms: Set<string>
  readonly sections: Set<string>
}

function citations(): Map<number, Citation> {
  const found = new Map<number, Citation>()
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue
    const path = join(entry.parentPath, entry.name)
    const pieces = relative(join(root, 'src'), path).split('/')
    const room = ['smtp', 'imap', 'http'].includes(pieces[0]!) ? pieces.slice(0, 2).join('/') : pieces[0]!
    const text = readFileSync(path, 'utf8')
    for (const [, rfc, section] of text.matchAll(/RFC (\d{3,5})(?: §([\dA-Z]+(?:\.[\dA-Z]+)*))?/g)) {
      const row = found.get(Number(rfc)) ?? { rooms: new Set(), sections: new Set() }
      found.set(Number(rfc), row)
      row.rooms.add(room)
      if (section) row.sections.add(section)
    }
  }
  return found
}

function readRows(): Row[] {
  const [first, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n')
  assert.equal(first, head)
  return lines.map((line) => {
    const [rfc, title = '', state = '', announced = '', rooms = '', sections = ''] = line.split('\t')
    return { rfc: Number(rfc), title, state, announced, rooms, sections }
  })
}

const words = (values: Iterable<string> = []) =>
  [...values].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).join(' ')

/** The rows as they should be: what a person wrote, with what the code cites. */
function expectedRows(): Row[] {
  const cited = citations()
  const listed = new Map(readRows().map((row) => [row.rfc, row]))
  return [...new Set([...listed.keys(), ...cited.keys()])]
    .sort((a, b) => a - b)
    .map((rfc) => ({
      ...(listed.get(rfc) ?? { rfc, title: '?', state: '?', announced: '' }),
      rooms: words(cited.get(rfc)?.rooms),
      sections: words(cited.get(rfc)?.sections),
    }))
}

test('docs/standards.tsv lists what the code cites', () => {
  const expected = expectedRows()
  if (rewrite) {
    const lines = expected.map((row) =>
      [row.rfc, row.title, row.state, row.announced, row.rooms, row.sections].join('\t'),
    )
    writeFileSync(file, `${[head, ...lines].join('\n')}\n`)
  }
  assert.deepEqual(readRows(), expected)
})

test('every standard has a title and a state', () => {
  const broken = readRows().filter(({ title, state }) => title.length < 4 || !['yes', 'partial', 'no'].includes(state))
  assert.deepEqual(broken, [])
})

test('a standard that is listed as kept is cited somewhere', () => {
  const broken = readRows().filter(({ state, rooms }) => state !== 'no' && rooms === '')
  assert.deepEqual(
    broken.map(({ rfc }) => rfc),
    [],
  )
})

test('every keyword that a door announces belongs to a standard that is kept, and every keyword listed is announced', async (t) => {
  const kept = new Set(
    readRows().flatMap(({ state, announced }) => (state === 'no' || announced === '' ? [] : announced.split(' '))),
  )
  const { ports } = await startInstallation(t, { users: { 'ada@posthorn.test': 'correct horse' } })
  const heard = new Set<string>()
  for (const [port, secure, lines] of [
    [ports.smtp, false, ['EHLO a.test', 'QUIT']],
    [ports.lmtp, false, ['LHLO a.test', 'QUIT']],
    [ports.submission, false, ['EHLO a.test', 'QUIT']],
    [ports.submissions, true, ['EHLO a.test', 'QUIT']],
  ] as const)
    for (const keyword of smtpKeywords(await dialogue(port, secure, lines))) heard.add(keyword)
  for (const [port, secure] of [
    [ports.imap, false],
    [ports.imaps, true],
  ] as const) {
    const lines = ['a CAPABILITY', 'b LOGIN ada@posthorn.test "correct horse"', 'c CAPABILITY', 'd LOGOUT']
    for (const keyword of imapKeywords(await dialogue(port, secure, lines))) heard.add(keyword)
  }
  for (const [port, secure] of [
    [ports.pop3, false],
    [ports.pop3s, true],
  ] as const)
    for (const keyword of pop3Keywords(await dialogue(port, secure, ['CAPA', 'QUIT']))) heard.add(keyword)
  assert.ok(heard.has('SIZE') && heard.has('IMAP4rev1') && heard.has('AUTH=PLAIN'), [...heard].join(' '))
  assert.deepEqual(
    [...heard].filter((keyword) => !kept.has(keyword) && !(keyword in withoutRfc)),
    [],
  )
  // Only a door that wants TLS first says this, and loopback needs none.
  heard.add('LOGINDISABLED')
  assert.deepEqual(
    [...kept].filter((keyword) => !heard.has(keyword)),
    [],
  )
})

/** Sends all lines once the door has greeted; everything that it said until it closed. */
function dialogue(port: number, secure: boolean, lines: readonly string[]): Promise<string> {
  return new Promise((done, fail) => {
    const at = { port, host: '127.0.0.1', rejectUnauthorized: false }
    const socket: Socket = secure ? connectTls(at) : connect(at)
    let text = ''
    socket.setTimeout(10_000, () => socket.destroy(new Error(`port ${port} fell silent after:\n${text}`)))
    socket.once('data', () => socket.write(`${lines.join('\r\n')}\r\n`))
    socket.on('data', (chunk) => (text += chunk))
    socket.on('error', fail)
    socket.on('close', () => done(text))
  })
}

/** `250-SIZE 1000` is SIZE; `250-AUTH PLAIN LOGIN` is AUTH, AUTH=PLAIN and AUTH=LOGIN. The first line of a reply is its greeting. */
function smtpKeywords(text: string): string[] {
  const lines = text.split('\r\n')
  const first = lines.findIndex((line) => line.startsWith('250-'))
  return lines.slice(first + 1).flatMap((line) => {
    const [keyword, ...values] = line.startsWith('250') ? line.slice(4).split(' ') : ['']
    if (!keyword) return []
    return keyword === 'AUTH' ? [keyword, ...values.map((value) => `AUTH=${value}`)] : [keyword]
  })
}

/** `UIDL` is POP3:UIDL, so that other doors' words of the same name are other words; the mechanisms are the same everywhere. */
const pop3Keywords = (text: string): string[] =>
  text
    .split('\r\n')
    .filter((line) => !['.', ''].includes(line) && !line.startsWith('+OK'))
    .flatMap((line) => {
      const [keyword, ...values] = line.split(' ')
      return [`POP3:${keyword}`, ...(keyword === 'SASL' ? values.map((value) => `AUTH=${value}`) : [])]
    })

const imapKeywords = (text: string): string[] =>
  text
    .split('\r\n')
    .filter((line) => line.startsWith('* CAPABILITY '))
    .flatMap((line) => line.split(' ').slice(2))
    .map((keyword) => keyword.replace(/^(APPENDLIMIT|MESSAGELIMIT|SAVELIMIT)=\d+$/, '$1'))
