// What a server costs that has nothing to do: time to the first banner, memory at rest.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { full, Installation } from '../server.ts'
import { Imap, message, Smtp, sleep } from '../world/talk.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const residentMb = (server: Installation) =>
  (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))![1]) * 1024) / 1e6

test('the first banner comes at once, and a server at rest is small, also after work', async (t) => {
  const server = await Installation.make({ users })
  t.after(() => server.remove())
  // The first start compiles.
  await server.start()
  await server.stop()
  const times: number[] = []
  // Other tests may run beside this one: the best start counts.
  while (times.length < 5 && !times.some((ms) => ms < 1_000)) {
    if (times.length > 0) await server.stop()
    const began = performance.now()
    await server.start()
    times.push(performance.now() - began)
  }
  const best = Math.min(...times)
  await sleep(1_000)
  const fresh = residentMb(server)

  const senders = await Promise.all(Array.from({ length: 10 }, () => Smtp.open(server.ports.smtp)))
  await Promise.all(
    senders.map(async (smtp, n) => {
      for (let i = 0; i < 30; i++) {
        const replies = await smtp.deliver(
          'eve@elsewhere.test',
          ['ada@posthorn.test'],
          message(`${n}/${i}`, 'x\r\n'.repeat(1_300)),
        )
        assert.match(replies[2]!, /^250/)
      }
      smtp.close()
    }),
  )
  // Passwords cost 19 MiB each while they are hashed.
  await Promise.all(
    Array.from({ length: 6 }, async (_, i) =>
      assert.rejects(Imap.open(server.ports.imap, 'ada@posthorn.test', `wrong ${i}`)),
    ),
  )
  const imap = await Imap.open(server.ports.imap, 'ada@posthorn.test', 'correct horse')
  assert.match(await imap.say('FETCH 1:* (FLAGS ENVELOPE)'), /^\* 300 FETCH/m)
  imap.close()
  await sleep(full ? 30_000 : 10_000)
  const after = residentMb(server)
  t.diagnostic(`first banner after ${best.toFixed(0)} ms (${times.map((ms) => ms.toFixed(0)).join(', ')})`)
  t.diagnostic(`resident: fresh ${fresh.toFixed(0)} MB, at rest after 300 messages ${after.toFixed(0)} MB`)
  // A second on a quiet machine; the tests share theirs.
  assert.ok(best < 2_000, `${times}`)
  assert.ok(fresh < 150, `${fresh} MB`)
  assert.ok(after < 150, `${after} MB`)
})
