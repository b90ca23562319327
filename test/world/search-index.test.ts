// The search index of a real server: fills by itself, outlives kill -9, is begun anew when it is damaged, and changes no answer.

import assert from 'node:assert/strict'
import { existsSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Installation } from '../server.ts'
import { Imap, sleep } from './talk.ts'

const email = 'ada@posthorn.test'
const password = 'correct horse'
const count = 1_200

/** Undefined when there is no index. */
async function lag(server: Installation): Promise<number | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${server.ports.http}/metrics`)).text()
  const found = /^posthorn_search_lag (\d+)$/m.exec(text)
  return found ? Number(found[1]) : undefined
}

async function untilIndexed(server: Installation): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if ((await lag(server)) === 0) return
    await sleep(200)
  }
  throw new Error(`the index did not fill: ${await lag(server)} are left`)
}

/** As a client that files a hundred messages with each command. */
async function fill(imap: Imap): Promise<void> {
  for (let n = 0; n < count; n += 100) {
    const literals = Array.from({ length: 100 }, (_, i) => {
      const text = `From: eve@elsewhere.test\r\nSubject: number ${n + i}\r\n\r\n${(n + i) % 97 === 0 ? 'a needle in' : 'only'} hay ${'stalk '.repeat(60)}\r\n`
      return `{${text.length}+}\r\n${text}`
    })
    assert.match(await imap.say(`APPEND INBOX ${literals.join(' ')}`), / OK /)
  }
}

const questions = [
  'BODY needle',
  'SUBJECT "number 77"',
  'NOT TEXT stalk',
  'FUZZY TEXT "hay needl"',
  'TEXT "eve@"',
  'BODY "zz"',
]

async function answers(server: Installation): Promise<string[]> {
  const imap = await Imap.open(server.ports.imap, email, password)
  const found: string[] = []
  for (const question of questions) {
    const answer = await imap.say(`SEARCH RETURN (ALL COUNT) ${question}`)
    found.push(`${question}: ${/ALL .*|COUNT .*/.exec(answer)?.[0]}`)
  }
  imap.close()
  return found
}

/** Noise in the middle of the file. */
function damage(path: string): void {
  const file = openSync(path, 'r+')
  const page = Buffer.alloc(4096, 0xa5)
  for (let at = 4096; at < statSync(path).size; at += 3 * 4096) writeSync(file, page, 0, page.length, at)
}

test('the search index fills by itself and changes no answer, whatever happens to it', async (t) => {
  const server = await Installation.make({ users: { [email]: password }, config: { search: { index: false } } })
  t.after(() => server.remove())
  const path = join(server.data, 'search.db')
  await server.start()
  assert.equal(await lag(server), undefined)
  const imap = await Imap.open(server.ports.imap, email, password)
  await fill(imap)
  imap.close()
  const read = await answers(server)
  assert.match(read[0]!, /COUNT 13$/)
  assert.equal(existsSync(path), false)
  await server.stop()

  await server.reconfigure({ search: { index: true } })
  await server.start()
  // Killed at three moments: before, while and after it fills.
  for (const ms of [0, 5_500, 6_500]) {
    await sleep(ms)
    process.kill(server.pid, 'SIGKILL')
    await server.exited
    await server.start()
    assert.deepEqual(await answers(server), read)
  }
  await untilIndexed(server)
  assert.deepEqual(await answers(server), read)
  assert.doesNotMatch(server.output, /begun anew/)
  await server.stop()

  damage(path)
  await server.start()
  assert.deepEqual(await answers(server), read)
  await untilIndexed(server)
  assert.deepEqual(await answers(server), read)
  assert.match(server.output, /begun anew|cannot be read/)
  await server.stop()

  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
  await server.start()
  await untilIndexed(server)
  assert.deepEqual(await answers(server), read)
  assert.ok(existsSync(path))
})
