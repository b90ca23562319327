// Results kept up to date: a client that only applies what it is told has, after each change, what a new search would find.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openImapWorld } from '../../testing/world.ts'

const ROUNDS = process.env['POSTHORN_FULL'] === '1' ? 60 : 4
const STEPS = 30

type Random = (below: number) => number
function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * below)
  }
}

/** `1:3,7` as numbers. */
const expand = (set: string) =>
  set.split(',').flatMap((item) => {
    const [from, to = from] = item.split(':').map(Number)
    return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i)
  })

/** The lists of a client, by the tags of its searches. */
class Lists {
  readonly lists = new Map<string, number[]>()

  hear(line: string): void {
    const [, tag = '', rest = ''] = /^\* ESEARCH \(TAG "(\w+)"\) UID (.*)$/.exec(line) ?? []
    for (const [, item, pairs = ''] of rest.matchAll(/(ADDTO|REMOVEFROM) \(([^)]*)\)/g)) {
      const list = this.lists.get(tag)!
      const words = pairs.split(' ')
      for (let i = 0; i < words.length; i += 2) this.#apply(list, item!, Number(words[i]), expand(words[i + 1]!))
    }
  }

  /** RFC 5267 §4.3.3 and §4.3.4; place 0 leaves the place to the client. */
  #apply(list: number[], item: string, place: number, uids: readonly number[]): void {
    if (item === 'ADDTO') {
      for (const uid of uids) assert.ok(!list.includes(uid), `${uid} was added twice`)
      if (place > 0) list.splice(place - 1, 0, ...uids)
      else list.push(...uids)
      if (place === 0) list.sort((a, b) => a - b)
      return
    }
    for (const uid of uids) {
      const at = place > 0 ? place - 1 : list.indexOf(uid)
      assert.equal(list[at], uid, `REMOVEFROM (${place} ${uid}) of ${list.join(' ')}`)
      list.splice(at, 1)
    }
  }
}

const searches = {
  u1: 'UID SEARCH RETURN (UPDATE ALL) UNSEEN',
  u2: 'UID SEARCH RETURN (UPDATE ALL) OR SUBJECT a KEYWORD k1',
  u3: 'UID SORT RETURN (UPDATE ALL) (SUBJECT REVERSE ARRIVAL) UTF-8 UNSEEN',
  u4: 'UID SORT RETURN (UPDATE ALL) (REVERSE SIZE) UTF-8 NOT KEYWORD k0',
}

async function play(seed: number): Promise<void> {
  const random = seeded(seed)
  const world = await openImapWorld()
  try {
    const [watcher, other] = [world.connect(), world.connect()]
    for (const client of [watcher, other]) {
      await client.login()
      await client.command('SELECT INBOX')
    }
    const lists = new Lists()
    const tell = async (text: string) => {
      const lines = await watcher.command(text)
      for (const line of lines) lists.hear(line)
      return lines
    }
    for (const [tag, command] of Object.entries(searches)) {
      watcher.say(`${tag} ${command}\r\n`)
      await watcher.until(`${tag} OK`)
      lists.lists.set(tag, [])
    }
    for (let step = 0; step < STEPS; step++) {
      const text = `Subject: ${'abc'[random(3)]}${random(3)}\r\n\r\n${'x'.repeat(random(9))}`
      const set = `${1 + random(9)}:${1 + random(9)}`
      const changes = [
        `APPEND INBOX (k${random(2)}) {${text.length}+}\r\n${text}`,
        `APPEND INBOX {${text.length}+}\r\n${text}`,
        `UID STORE ${set} ${random(2) ? '+' : '-'}FLAGS.SILENT (\\Seen)`,
        `UID STORE ${set} ${random(2) ? '+' : '-'}FLAGS (k${random(2)})`,
        `UID STORE ${1 + random(20)} +FLAGS.SILENT (\\Deleted)`,
        'EXPUNGE',
      ]
      const change = changes[random(changes.length)]!
      if (random(2) === 0) await tell(change)
      else await other.command(change)
      if (random(3) === 0) await tell('IDLE\r\nDONE')
      await tell('NOOP')
      for (const [tag, command] of Object.entries(searches)) {
        const plain = command.replace('RETURN (UPDATE ALL) ', '')
        const line = (await tell(plain)).find((answer) => /^\* (SORT|SEARCH)/.test(answer))!
        const found = line.split(' ').slice(2).map(Number)
        assert.deepEqual(lists.lists.get(tag), found, `${plain} after ${change}, step ${step}`)
      }
    }
  } finally {
    await world.close()
  }
}

test(`what is told keeps a client's results right, ${ROUNDS} rounds`, async () => {
  const start = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  for (let seed = start; seed < start + ROUNDS; seed++)
    await play(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
    })
})
