// Several sessions change one mailbox at random; each keeps the list that a client would keep from what it is told.
// Never an EXPUNGE at a forbidden moment, never a number that means another message, and in the end all agree.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapClient, type ImapWorld, openImapWorld } from './testing/world.ts'

const ROUNDS = process.env['POSTHORN_FULL'] === '1' ? 1000 : 12
const SESSIONS = 4
const COMMANDS = 25

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

/** What one client believes: UIDs by number, 0 where it has not asked yet. */
class Believer {
  readonly client: ImapClient
  uids: number[] = []

  constructor(client: ImapClient) {
    this.client = client
  }

  async command(text: string): Promise<string> {
    const lines = await this.client.command(text)
    const mayExpunge = !['FETCH', 'STORE', 'SEARCH', 'COPY'].includes(text.split(' ')[0]!)
    for (const line of lines) this.#hear(line, mayExpunge, text)
    return lines.at(-1)!
  }

  #hear(line: string, mayExpunge: boolean, command: string): void {
    const [star, word = '', kind = ''] = line.split(' ')
    if (star !== '*') return
    const n = Number(word)
    if (kind === 'EXISTS') {
      assert.ok(n >= this.uids.length, `${line} after ${this.uids.length} messages, in ${command}`)
      while (this.uids.length < n) this.uids.push(0)
    } else if (kind === 'EXPUNGE') {
      assert.ok(mayExpunge, `${line} in ${command}`)
      assert.ok(n >= 1 && n <= this.uids.length, `${line} of ${this.uids.length}`)
      this.uids.splice(n - 1, 1)
    } else if (kind === 'FETCH') this.#learn(n, /UID (\d+)/.exec(line)?.[1], `${line} in ${command}`)
  }

  #learn(n: number, text: string | undefined, where: string): void {
    assert.ok(n >= 1 && n <= this.uids.length, where)
    if (text === undefined) return
    const uid = Number(text)
    const known = this.uids[n - 1]
    assert.ok(known === 0 || known === uid, `${where}: it was ${known}`)
    this.uids[n - 1] = uid
  }
}

function randomCommand(random: Random, { uids }: Believer): string {
  const number = () => 1 + random(Math.max(1, uids.length))
  const uid = () => 1 + random(40)
  const message = 'a: b\r\n\r\nc'
  const append = `APPEND Race {${message.length}+}\r\n${message}`
  if (uids.length === 0) return random(2) === 0 ? append : 'NOOP'
  const choices: readonly (() => string)[] = [
    () => append,
    () => append,
    () => `APPEND Race (\\Deleted) {${message.length}+}\r\n${message}`,
    () => 'NOOP',
    () => 'EXPUNGE',
    () => `UID EXPUNGE ${uid()}:*`,
    () => `STORE ${number()} +FLAGS (\\Deleted)`,
    () => `STORE ${number()}:${number()} FLAGS.SILENT (\\Seen kw${random(5)})`,
    () => `UID STORE ${uid()}:* -FLAGS (\\Deleted)`,
    () => `FETCH ${number()}:* (UID FLAGS)`,
    () => `FETCH ${number()} (UID BODY[])`,
    () => `UID FETCH ${uid()}:${uid()} FLAGS`,
    () => `SEARCH ${number()}:* DELETED`,
    () => `COPY ${number()} Race`,
    () => `MOVE ${number()} Race`,
    () => `UID MOVE ${uid()} Trash`,
    () => 'IDLE\r\nDONE',
  ]
  return choices[random(choices.length)]!()
}

async function play(seed: number): Promise<void> {
  const random = seeded(seed)
  const sessions: Believer[] = []
  const first = world.connect()
  await first.login()
  await first.command('CREATE Race')
  for (let i = 0; i < SESSIONS; i++) {
    const client = world.connect()
    await client.login()
    const session = new Believer(client)
    await session.command('SELECT Race')
    sessions.push(session)
  }
  const plays = sessions.map(async (session) => {
    for (let i = 0; i < COMMANDS; i++) {
      const command = randomCommand(random, session)
      const reply = await session.command(command)
      assert.ok(!reply.startsWith('x BAD'), `${command} → ${reply}`)
    }
  })
  await Promise.all(plays)
  const ends: string[] = []
  for (const session of sessions) {
    await session.command('NOOP')
    if (session.uids.length > 0) await session.command('FETCH 1:* UID')
    assert.ok(!session.uids.includes(0))
    ends.push(session.uids.join(' '))
    session.client.close()
  }
  assert.deepEqual(new Set(ends).size, 1)
  await first.command('DELETE Race')
  first.close()
}

test(`${SESSIONS} sessions keep the same numbers, ${ROUNDS} rounds`, async () => {
  const start = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  for (let seed = start; seed < start + ROUNDS; seed++)
    await play(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
    })
})
