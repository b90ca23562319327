// Several sessions of different kinds change one mailbox at random; each keeps the list that a client of its kind would keep from what
// it is told. Never an EXPUNGE at a forbidden moment, never a number that means another message, and in the end all agree. Sessions
// with QRESYNC lose their connections, come back with what they know, and must then know everything.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapClient, type ImapWorld, openImapWorld } from './testing/world.ts'

const ROUNDS = process.env['POSTHORN_FULL'] === '1' ? 1000 : 12
const COMMANDS = 25
const kinds = ['plain', 'CONDSTORE', 'QRESYNC', 'UIDONLY', 'IMAP4rev2', 'NOTIFY'] as const
type Kind = (typeof kinds)[number]

let world: ImapWorld
before(async () => {
  world = await openImapWorld()
})
after(() => world.close())

type Random = (below: number) => number
function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * below)
  }
}

/** Who hears of these between commands too is still never told of an EXPUNGE then. */
const events = 'MessageNew (UID) MessageExpunge FlagChange'

/** `1:3,7` as numbers. */
function numbersOf(set: string): number[] {
  return set.split(',').flatMap((item) => {
    const [from = 0, to = from] = item.split(':').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

/** A response as one line, with the lines of its literals. */
function joinLiterals(lines: readonly string[]): string[] {
  const out: string[] = []
  for (const line of lines)
    if (line.startsWith('* ') || line.startsWith('x ') || out.length === 0) out.push(line)
    else out[out.length - 1] += ` ${line}`
  return out
}

/** What one client believes: UIDs by number, 0 where it has not asked yet, and the flags that it was told. */
class Believer {
  readonly kind: Kind
  client!: ImapClient
  uids: number[] = []
  flags = new Map<number, string>()
  #validity = ''
  /** From where it would resynchronise; what the running command said of it. */
  #modseq = 0
  #seen = 0
  #said: number | undefined

  constructor(kind: Kind) {
    this.kind = kind
  }

  get numbered(): boolean {
    return this.kind !== 'UIDONLY'
  }

  /** Opens the mailbox, with what it knows if it can use that. */
  async open(): Promise<void> {
    this.client = world.connect()
    await this.client.login()
    if (this.kind === 'NOTIFY') await this.client.command(`NOTIFY SET (selected-delayed (${events}))`)
    else if (this.kind !== 'plain') await this.client.command(`ENABLE ${this.kind}`)
    const known = this.kind === 'QRESYNC' && this.#validity ? ` (QRESYNC (${this.#validity} ${this.#modseq}))` : ''
    const before = this.uids
    this.uids = []
    const lines = await this.client.command(`SELECT Race${known}`)
    const gone = new Set(lines.flatMap((line) => numbersOf(/^\* VANISHED \(EARLIER\) (\S+)/.exec(line)?.[1] ?? '0')))
    for (const uid of gone) this.flags.delete(uid)
    for (const line of lines) this.#hear(line, true, 'SELECT')
    this.#validity = /\[UIDVALIDITY (\d+)/.exec(lines.join('\n'))![1]!
    if (known && this.uids.length > 0) await this.command('FETCH 1:* UID')
    if (known)
      this.#compare(
        before.filter((uid) => uid > 0),
        gone,
      )
  }

  /** What it knew is there still, or it was told that it is gone. */
  #compare(known: readonly number[], gone: ReadonlySet<number>): void {
    for (const uid of known) {
      const there = this.uids.includes(uid)
      assert.ok(!(there && gone.has(uid)), `${uid} is there and gone`)
      // Not shown by FETCH while its expunge waits: then there is a number for it.
      const waits = this.uids.some((other, i) => other === 0 && this.#fits(i, uid))
      assert.ok(there || waits || gone.has(uid), `${uid} went without a word`)
    }
  }

  lose(): void {
    this.client.close()
  }

  async command(text: string): Promise<string> {
    const lines = joinLiterals(await this.client.command(text))
    const mayExpunge = !['FETCH', 'STORE', 'SEARCH', 'COPY'].includes(text.split(' ')[0]!)
    for (const line of lines) this.#hear(line, mayExpunge, text)
    this.#concludeModseq()
    return lines.at(-1)!
  }

  /** RFC 7162 §6: what was said counts, whatever else was seen. */
  #concludeModseq(): void {
    this.#modseq = this.#said ?? Math.max(this.#modseq, this.#seen)
    this.#said = undefined
    this.#seen = 0
  }

  #hear(line: string, mayExpunge: boolean, command: string): void {
    const said = /^(?:\*|x) OK \[HIGHESTMODSEQ (\d+)\]/.exec(line)?.[1]
    if (said !== undefined) this.#said = Number(said)
    const where = `${line} in ${command}`
    const [star, word = '', kind = ''] = line.split(' ')
    if (star !== '*') return
    const n = Number(word)
    if (kind === 'EXISTS') this.#exists(n, where)
    else if (kind === 'EXPUNGE') {
      assert.ok(mayExpunge && this.numbered && this.kind !== 'QRESYNC', where)
      assert.ok(n >= 1 && n <= this.uids.length, `${where} of ${this.uids.length}`)
      this.uids.splice(n - 1, 1)
    } else if (word === 'VANISHED' && kind !== '(EARLIER)') this.#vanish(numbersOf(kind), mayExpunge, where)
    else if (kind === 'FETCH' || kind === 'UIDFETCH') this.#fetched(n, kind, line, where)
    else if (kind === 'RECENT' || line.includes('\\Recent')) assert.notEqual(this.kind, 'IMAP4rev2', where)
  }

  #exists(n: number, where: string): void {
    assert.ok(n >= this.uids.length, `${where} after ${this.uids.length} messages`)
    while (this.uids.length < n) this.uids.push(0)
  }

  #vanish(uids: readonly number[], mayExpunge: boolean, where: string): void {
    assert.ok(mayExpunge && (this.kind === 'QRESYNC' || this.kind === 'UIDONLY'), where)
    for (const uid of uids) {
      this.flags.delete(uid)
      let at = this.uids.indexOf(uid)
      // Of a message that it never asked for it only knows that it is one of those.
      if (at < 0) at = this.uids.findIndex((known, i) => known === 0 && this.#fits(i, uid))
      assert.ok(at >= 0, `${where}: ${uid} is not counted among ${this.uids}`)
      this.uids.splice(at, 1)
    }
  }

  /** Whether message `i` may be `uid`: UIDs ascend. */
  #fits(i: number, uid: number): boolean {
    const next = this.uids.slice(i).find((known) => known > 0)
    return this.uids.slice(0, i).every((known) => known < uid) && (next === undefined || next > uid)
  }

  #fetched(n: number, kind: string, line: string, where: string): void {
    assert.equal(kind, this.numbered ? 'FETCH' : 'UIDFETCH', where)
    const uid = this.numbered ? Number(/UID (\d+)/.exec(line)?.[1] ?? 0) : n
    if (this.numbered) this.#learn(n, uid, where)
    this.#seen = Math.max(this.#seen, Number(/MODSEQ \((\d+)\)/.exec(line)?.[1] ?? 0))
    const known = uid || this.uids[n - 1]!
    const flags = /FLAGS \(([^)]*)\)/.exec(line)?.[1]
    if (flags !== undefined && known > 0) this.flags.set(known, flags.replace(/ ?\\Recent/, ''))
    // A silent STORE of its own: it would have to work the flags out.
    if (flags === undefined && line.includes('MODSEQ')) this.flags.delete(known)
  }

  #learn(n: number, uid: number, where: string): void {
    assert.ok(n >= 1 && n <= this.uids.length, where)
    if (uid === 0) return
    const known = this.uids[n - 1]
    assert.ok(known === 0 || known === uid, `${where}: it was ${known}`)
    this.uids[n - 1] = uid
  }
}

const message = 'a: b\r\n\r\nc'
const append = `APPEND Race {${message.length}+}\r\n${message}`

function randomCommand(random: Random, { uids, numbered }: Believer): string {
  const number = () => 1 + random(Math.max(1, uids.length))
  const uid = () => 1 + random(40)
  if (uids.length === 0) return random(2) === 0 ? append : 'NOOP'
  const byUid: readonly (() => string)[] = [
    () => append,
    () => append,
    () => `APPEND Race (\\Deleted) {${message.length}+}\r\n${message}`,
    () => 'NOOP',
    () => 'EXPUNGE',
    () => `UID EXPUNGE ${uid()}:*`,
    () => `UID STORE ${uid()}:* -FLAGS (\\Deleted)`,
    () => `UID STORE ${uid()} +FLAGS (kw${random(5)})`,
    () => `UID FETCH ${uid()}:${uid()} FLAGS`,
    () => `UID SEARCH DELETED`,
    () => `UID MOVE ${uid()} Trash`,
    () => 'IDLE\r\nDONE',
  ]
  const byNumber: readonly (() => string)[] = [
    () => `STORE ${number()} +FLAGS (\\Deleted)`,
    () => `STORE ${number()}:${number()} FLAGS.SILENT (\\Seen kw${random(5)})`,
    () => `FETCH ${number()}:* (UID FLAGS)`,
    () => `FETCH ${number()} (UID BODY[])`,
    () => `SEARCH ${number()}:* DELETED`,
    () => `COPY ${number()} Race`,
    () => `MOVE ${number()} Race`,
    () => `UID SEARCH ${number()}:* DELETED`,
  ]
  const choices = numbered ? [...byUid, ...byNumber] : [...byUid, () => `UID STORE ${uid()} +FLAGS (\\Deleted)`]
  return choices[random(choices.length)]!()
}

/** What a session believes in the end, without asking for what it must have been told. */
async function conclude(session: Believer): Promise<string> {
  await session.command('NOOP')
  const told = new Map(session.flags)
  if (session.uids.length > 0) await session.command(session.numbered ? 'FETCH 1:* (UID FLAGS)' : 'UID FETCH 1:* FLAGS')
  for (const [uid, flags] of told)
    if (session.flags.has(uid) && session.kind === 'QRESYNC')
      assert.equal(session.flags.get(uid), flags, `flags of ${uid}`)
  session.client.close()
  if (!session.numbered) return [...session.flags.keys()].sort((a, b) => a - b).join(' ')
  assert.ok(!session.uids.includes(0))
  return session.uids.join(' ')
}

async function play(seed: number): Promise<void> {
  const random = seeded(seed)
  const sessions = kinds.map((kind) => new Believer(kind))
  const first = world.connect()
  await first.login()
  await first.command('CREATE Race')
  for (const session of sessions) await session.open()
  const plays = sessions.map(async (session) => {
    for (let i = 0; i < COMMANDS; i++) {
      if (session.kind === 'QRESYNC' && random(8) === 0) {
        session.lose()
        await session.open()
      }
      const command = randomCommand(random, session)
      const reply = await session.command(command)
      assert.ok(!reply.startsWith('x BAD'), `${command} → ${reply}`)
    }
  })
  await Promise.all(plays)
  const ends: string[] = []
  for (const session of sessions) ends.push(await conclude(session))
  assert.deepEqual(new Set(ends).size, 1, ends.map((end, i) => `${kinds[i]}: ${end}`).join('\n'))
  await first.command('DELETE Race')
  first.close()
}

test(`sessions of ${kinds.length} kinds keep the same numbers, ${ROUNDS} rounds`, async (t) => {
  const start = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  t.diagnostic(`seeds ${start} to ${start + ROUNDS - 1}`)
  for (let seed = start; seed < start + ROUNDS; seed++)
    await play(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
    })
})
