import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../base/index.ts'
import { createPipelining } from './pipelining.ts'
import type { Target } from './targets.ts'

const hour = 3_600_000
const at = (host: string): Target => ({ host, ip: '192.0.2.1', port: 25, lmtp: false, tls: 'none', verify: false })

test('a host that broke off is spared for an hour, after the next time for a day; one answer clears it', async () => {
  const clock = fakeClock()
  const { may, suspect, trust } = createPipelining(clock)
  const host = at('mx.a.test')
  assert.equal(may(host), true)
  suspect(host)
  // The others that were under way then say nothing new.
  suspect(host)
  assert.deepEqual([may(host), may(at('mx.b.test'))], [false, true])
  await clock.advance(hour)
  assert.equal(may(host), true)
  suspect(host)
  await clock.advance(hour)
  assert.equal(may(host), false)
  await clock.advance(23 * hour)
  assert.equal(may(host), true)
  trust(host)
  suspect(host)
  await clock.advance(hour)
  assert.equal(may(host), true)
  suspect(host)
  trust(host)
  assert.equal(may(host), true)
})

test('of many hosts the last 1,000 are remembered', () => {
  const { may, suspect } = createPipelining(fakeClock())
  for (let i = 0; i < 1_500; i++) suspect(at(`mx${i}.test`))
  const spared = Array.from({ length: 1_500 }, (_, i) => !may(at(`mx${i}.test`)))
  assert.equal(spared.filter(Boolean).length, 1_000)
  assert.ok(spared[500] && spared[1_499] && !spared[499])
})
