// When the next key may serve: at once where nothing pins keys, else when it has been announced for two TTLs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { toTlsaText } from './certificate-info.ts'
import { makeKey } from './request.ts'
import { isNextKeyAnnounced } from './rollover.ts'

test('a key that DANE pins changes only after it was announced', async () => {
  const clock = fakeClock()
  const next = await makeKey('ec256')
  const tlsa = toTlsaText(next)
  const name = 'mail.a.test'
  const ask = (zone: string, seenAt?: number) =>
    isNextKeyAnnounced({ resolver: zoneResolver(zone), clock }, [name], next, seenAt)
  const other = `3 1 1 ${'00'.repeat(32)}`
  assert.deepEqual(await ask(''), { ready: true })
  assert.deepEqual(await ask(`_25._tcp.${name} TLSA 2 1 1 ${'00'.repeat(32)}`), { ready: true })
  assert.deepEqual(await ask(`_25._tcp.${name} TLSA ${other}`), { ready: false })
  assert.deepEqual(await ask(`_25._tcp.${name} SERVFAIL`, 5), { ready: false, seenAt: 5 })
  const announced = `_25._tcp.${name} 7200 TLSA ${other}\n_25._tcp.${name} 7200 TLSA ${tlsa}`
  const seenAt = clock.now()
  assert.deepEqual(await ask(announced), { ready: false, seenAt })
  await clock.advance(14_399_000)
  assert.deepEqual(await ask(announced, seenAt), { ready: false, seenAt })
  await clock.advance(1_000)
  assert.deepEqual(await ask(announced, seenAt), { ready: true, seenAt })
})
