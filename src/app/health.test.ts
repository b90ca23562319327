// Each way in which the server may be unwell, made to happen.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault, fakeClock } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { createHealth, watchCore } from './health.ts'

function world() {
  const clock = fakeClock()
  const state = { free: 1000, write: async () => {}, stalled: undefined as string | undefined, writes: 0 }
  const store = {
    blobs: { free: async () => state.free },
    write: async () => {
      state.writes++
      await state.write()
    },
  } as unknown as Pick<Store, 'write' | 'blobs'>
  const health = createHealth({ store, queue: { stalled: () => state.stalled }, minimumFree: () => 500, clock })
  return { clock, state, health, watched: watchCore({ health }, clock) }
}

test('all is well', async () => {
  const { watched } = world()
  assert.deepEqual(await watched(), { status: 'ok', parts: { core: 'ok', disk: 'ok', store: 'ok', queue: 'ok' } })
})

test('the disk below its line, a store that cannot write and a stalled queue are named', async () => {
  const { clock, state, watched } = world()
  state.free = 499
  assert.match((await watched()).parts.disk!, /free, the configured line is/)
  await clock.advance(1000)
  state.free = 1000
  state.write = async () => {
    throw new Fault('disk-full', 'no space left')
  }
  const failing = await watched()
  assert.deepEqual([failing.status, failing.parts.store, failing.parts.disk], ['failing', 'no space left', 'ok'])
  await clock.advance(1000)
  state.write = async () => {}
  state.stalled = 'nothing was tried for 15 minutes'
  assert.equal((await watched()).parts.queue, 'nothing was tried for 15 minutes')
})

test('a write that never ends is an answer too, and so is a core that gives none', async () => {
  const { clock, state, health } = world()
  state.write = () => new Promise(() => {})
  const asked = health()
  await clock.advance(5000)
  assert.equal((await asked).parts.store, 'no answer within 5 s')
  const silent = watchCore({ health: () => new Promise(() => {}) }, clock)()
  await clock.advance(2000)
  assert.deepEqual(await silent, { status: 'failing', parts: { core: 'no answer within 2 s' } })
})

test('however often one asks, the probe is written once a second', async () => {
  const { clock, state, health } = world()
  await Promise.all(Array.from({ length: 50 }, () => health()))
  assert.equal(state.writes, 1)
  await clock.advance(1000)
  await health()
  assert.equal(state.writes, 2)
})
