// Limits are atomic: whoever takes at the same moment, from whatever node, no more is given than there is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { onEachStore } from '../../test/stores.ts'
import { fakeClock } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { limits } from './limits.ts'
import { countFailure, takeAll, usageOf } from './rates.ts'
import type { Claim } from './types.ts'

const clock = fakeClock()
const take = (store: Store, claims: readonly Claim[]) =>
  store.write([], (tx) => takeAll(tx, claims, clock.now()), { durable: false })

onEachStore(
  'a hundred takers at once get exactly what there is, over two openings of the store',
  async ({ store, open, dialect }) => {
    // On PostgreSQL two nodes; SQLite has one writer.
    const other = dialect === 'postgres' ? await open() : store
    const asked = Array.from({ length: 200 }, (_, n) =>
      take(n % 2 ? other : store, [{ kind: 'user', subject: 'ann', count: 60 }]),
    )
    const given = (await Promise.all(asked)).filter(({ ok }) => ok)
    assert.equal(given.length, 60)
  },
  { clock },
)

onEachStore(
  'several limits are taken together or not at all, whoever asks in whatever order',
  async ({ store, open, dialect }) => {
    const other = dialect === 'postgres' ? await open() : store
    const wide: Claim = { kind: 'network', subject: 'n', count: 1000 }
    const narrow: Claim = { kind: 'address', subject: 'a', count: 20 }
    const asked = Array.from({ length: 60 }, (_, n) =>
      take(n % 2 ? other : store, n % 3 ? [wide, narrow] : [narrow, wide]),
    )
    const given = (await Promise.all(asked)).filter(({ ok }) => ok).length
    assert.equal(given, 20)
    const used = await store.read((tx) => usageOf(tx, 'network', 'n', clock.now(), 1000))
    assert.equal(used.used, 20)
  },
  { clock },
)

onEachStore(
  'property: at no time more was given than the limit and what came back since, and who waits as told is served',
  async ({ store }) => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.record({ wait: fc.integer({ min: 0, max: 20_000 }), amount: fc.integer({ min: 1, max: 10 }) }), {
          maxLength: 30,
        }),
        async (count, steps) => {
          const subject = `s${run++}`
          const began = clock.now()
          let given = 0
          for (const { wait, amount } of steps) {
            await clock.advance(wait)
            const taken = await take(store, [{ kind: 'address', subject, amount, count }])
            const most = count + ((clock.now() - began) / limits.address.windowMs) * count
            if (taken.ok) given += amount
            assert.ok(given <= most + 0.01, `${given} of ${most}`)
            if (taken.ok || amount > count) continue
            await clock.advance(taken.retryMs)
            assert.ok((await take(store, [{ kind: 'address', subject, amount, count }])).ok, 'served when told')
            given += amount
          }
        },
      ),
      { numRuns: 30 },
    )
  },
  { clock, only: 'sqlite' },
)

onEachStore(
  'a clock that is set back opens the limit instead of closing it for a day',
  async ({ store }) => {
    const claim: Claim = { kind: 'api-guest', subject: 'x', amount: 60 }
    assert.ok((await take(store, [claim])).ok)
    clock.jump(-86_400_000)
    assert.ok((await take(store, [claim])).ok)
    assert.equal((await take(store, [claim])).ok, false)
    clock.jump(86_400_000)
  },
  { clock },
)

onEachStore(
  'a limit that is changed is used as far as it was before',
  async ({ store }) => {
    const claim = (count: number, amount = 1): Claim => ({ kind: 'user', subject: 'changed', count, amount })
    assert.ok((await take(store, [claim(500, 500)])).ok)
    assert.equal((await take(store, [claim(500)])).ok, false)
    assert.ok((await take(store, [claim(1000, 499)])).ok)
    const lowered = await take(store, [claim(100)])
    assert.ok(!lowered.ok && lowered.retryMs === 3_600_000, JSON.stringify(lowered))
    assert.equal((await take(store, [{ ...claim(0), subject: 'never' }])).ok, false)
  },
  { clock },
)

onEachStore(
  'the tenth failure is the last, and the count begins anew',
  async ({ store }) => {
    const fail = () => store.write([], (tx) => countFailure(tx, 'sign-in', 'x', clock.now()))
    for (let round = 0; round < 2; round++) {
      const ended: boolean[] = []
      for (let n = 0; n < 10; n++) ended.push(await fail())
      assert.deepEqual(ended, [...Array(9).fill(false), true])
    }
    // Two in three minutes, all day: two devices with an old password.
    for (let n = 0; n < 200; n++) {
      assert.equal(await fail(), false)
      await clock.advance(90_000)
    }
  },
  { clock },
)

test('every limit has a reason', () => {
  for (const { count, windowMs, why } of Object.values(limits)) assert.ok(count > 0 && windowMs > 0 && why.length > 20)
})
