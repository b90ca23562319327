// What FETCH BINARY and BINARY.SIZE say of each part of the corpus, beside what Debian's Dovecot says. Where it says something else, the
// part is listed here with the reason.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { createScanner, type Part } from '../../src/mime/index.ts'
import { startInstallation } from '../server.ts'
import { type ImapTalk, openImap } from './answers.ts'
import { openDovecot } from './dovecot.ts'
import { needs } from './programs.ts'

const corpus = resolve(import.meta.dirname, '../corpus/mime')
const users = { 'ada@posthorn.test': 'correct horse' }

/** Dovecot gives lines back with CRLF, and takes no message without a byte. */
const load = (name: string) =>
  Buffer.from(readFileSync(join(corpus, name), 'latin1').replaceAll(/(?<!\r)\n/g, '\r\n'), 'latin1')
const messages = readdirSync(corpus)
  .filter((name) => name.endsWith('.eml') && load(name).length > 0)
  .sort()

/** Numbers of the parts that hold something themselves, as FETCH counts them. */
function* leaves(root: Part, prefix = ''): Generator<string> {
  const parts = root.type === 'multipart' ? (root.parts ?? []) : [root]
  for (const [i, part] of parts.entries()) {
    const path = `${prefix}${i + 1}`
    if (part.type === 'multipart') yield* leaves(part, `${path}.`)
    else if (part.message) yield* leaves(part.message.root, `${path}.`)
    else yield path
  }
}

/** Why Dovecot says something else of some messages. */
const reasons: { readonly [reason: string]: readonly string[] } = {
  'an encoding that nobody knows, or bytes that are not of the encoding: Dovecot hangs up, we refuse or decode what can be decoded':
    [
      'base64-cut',
      'base64-garbage',
      'base64-padding-inside',
      'base64-untidy',
      'content-fields-empty',
      'encoding-8-bit-misspelt',
      'encoding-empty',
      'encoding-number',
      'encoding-quoted',
      'encoding-two-words',
      'encoding-unknown',
      'legacy-026',
      'legacy-048',
      'malformed-018',
      'quoted-printable',
      'quoted-printable-broken',
      'thirdparty-017',
      'thirdparty-019',
      'uuencode',
      'uuencode-without-end',
    ],
  'a message that is itself encoded: we decode it, as it was asked for': [
    'encoded-composite',
    'rfc822-quoted-printable',
  ],
  'two encodings: the last field counts': ['encoding-twice'],
  'message/global: a contained message here, a leaf there': ['message-global'],
  'where the header or a part ends (docs/imap-differences.md)': [
    'bare-cr',
    'boundary-close-half',
    'boundary-in-preamble',
    'boundary-prefix',
    'boundary-trailing-space',
    'boundary-with-text-behind',
    'header-cr-cr-lf',
    'malformed-016',
  ],
}
const judged = new Set(Object.values(reasons).flat())

/** Parts of one message: more show nothing new. */
const MOST = 12

test('FETCH BINARY agrees with Dovecot on the corpus', {
  skip: await needs('Dovecot'),
  timeout: 240_000,
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ours = openImap(ports.imap)
  await ours.ok('LOGIN ada@posthorn.test "correct horse"')
  await ours.ok('SELECT INBOX')
  const theirs = await Dovecot.open(t)
  const found: string[] = []
  const differing = new Set<string>()
  for (const [i, file] of messages.entries()) {
    const name = file.replace('.eml', '')
    await ours.ok('APPEND INBOX ', load(file))
    await theirs.append(load(file))
    for (const item of itemsOf(load(file))) {
      const a = await answer(ours, i + 1, item)
      const b = await theirs.answer(item)
      if (a === b) continue
      differing.add(name)
      if (!judged.has(name)) found.push(`${name} ${item}\n ours   ${a.slice(0, 150)}\n theirs ${b.slice(0, 150)}`)
      if (b === HUNG_UP) break
    }
  }
  ours.end()
  theirs.end()
  assert.equal(found.join('\n'), '')
  assert.deepEqual(
    [...judged].filter((name) => !differing.has(name)),
    [],
    'listed, and no longer true',
  )
})

function itemsOf(message: Buffer): string[] {
  const scanner = createScanner()
  scanner.write(message)
  return [...leaves(scanner.end().root)]
    .slice(0, MOST)
    .flatMap((path) => [`BINARY.SIZE[${path}]`, `BINARY.PEEK[${path}]`, `BINARY.PEEK[${path}]<3.10>`])
}

const HUNG_UP = '(hung up)'

/** Dovecot's answers about the message that was appended last; opened anew when it has hung up. */
class Dovecot {
  readonly #t: Parameters<typeof openDovecot>[0]
  #talk: ImapTalk
  #count = 0

  private constructor(t: Parameters<typeof openDovecot>[0], talk: ImapTalk) {
    this.#t = t
    this.#talk = talk
  }

  static async open(t: Parameters<typeof openDovecot>[0]): Promise<Dovecot> {
    return new Dovecot(t, await openDovecot(t))
  }

  async append(message: Buffer): Promise<void> {
    await this.#talk.ok('APPEND INBOX ', message)
    if (this.#count++ === 0) await this.#talk.ok('SELECT INBOX')
  }

  async answer(item: string): Promise<string> {
    try {
      return await answer(this.#talk, this.#count, item)
    } catch {
      this.#talk = await openDovecot(this.#t)
      this.#count = 0
      return HUNG_UP
    }
  }

  end(): void {
    this.#talk.end()
  }
}

/** The value alone, or the code of a refusal. */
async function answer(talk: ImapTalk, number: number, item: string): Promise<string> {
  const responses = (await talk.command(`FETCH ${number} ${item}`)).map((line) => line.toString('latin1'))
  const line = responses.find((text) => text.startsWith(`* ${number} FETCH (`))
  if (!line) return responses.at(-1)!.split(' ').slice(1, 3).join(' ')
  const value = line.slice(/^.*?\](?:<\d+>)? /.exec(line)![0].length, -1)
  const literal = /^~?\{\d+\}\r\n/.exec(value)
  return literal ? `${JSON.stringify(value.slice(literal[0].length))}` : value
}
