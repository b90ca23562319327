// A list of users: how long a thousand take, and what is said of a line that is none.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { full, Installation } from '../server.ts'
import { assertRefused } from '../world/command-line.ts'
import { Imap } from '../world/talk.ts'

test('a list of users is imported, and each line that is none is named', async (t) => {
  const server = await Installation.make({ users: { 'ada@example.test': 'correct horse' } })
  t.after(() => server.remove())
  const count = full ? 1_000 : 50
  const file = join(server.folder, 'list.csv')
  const lines = [...Array(count).keys()].map(
    (n) => `user${n}@example.test,password number ${n},"Number ${n}, the user",${n % 2 ? '' : '5M'}`,
  )
  lines.splice(
    7,
    0,
    'ada@example.test,taken',
    'nobody',
    'x@nowhere.test,password',
    '"q""uote"@example.test,',
    'y@example.test,p,,lots',
  )
  writeFileSync(file, `email,password,name,quota\n${lines.join('\n')}\n`)
  await server.start()
  const began = performance.now()
  const ran = await server.cli('user', 'import', file)
  const seconds = (performance.now() - began) / 1000
  t.diagnostic(`${count} users in ${seconds.toFixed(1)} s`)
  assert.ok(seconds < (full ? 60 : 15), `${seconds} s`)
  assert.equal(ran.code, 1)
  assert.equal(ran.stdout, `${count} users made, 5 lines refused\n`)
  assert.deepEqual(
    ran.stderr
      .trimEnd()
      .split('\n')
      .map((line) => Number(/list\.csv:(\d+): /.exec(line)?.[1])),
    [9, 10, 11, 12, 13],
    ran.stderr,
  )
  const made = JSON.parse(await server.cliOk('user', 'list', '--json'))
  assert.equal(made.length, count + 1)
  const last = made.find((one: { email: string }) => one.email === `user${count - 2}@example.test`)
  assert.deepEqual([last.name, last.quotaBytes], [`Number ${count - 2}, the user`, 5 * 2 ** 20])
  const imap = await Imap.open(server.ports.imap, `user${count - 1}@example.test`, `password number ${count - 1}`)
  assert.match(await imap.say('LIST "" "*"'), /\\Sent/)
  imap.close()
  assertRefused(await server.cli('user', 'import', 'missing.csv'), /missing\.csv: there is no such file/, 2)
})
