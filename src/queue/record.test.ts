// Results that cannot be written are kept and tried again, and the log does not fill with it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault, type Log, silentLog } from '../base/index.ts'
import { createRecorder } from './record.ts'
import { defaultSchedule } from './schedule.ts'
import { openWorld } from './testing/world.ts'

test('what cannot be written down is said once a minute, and when it is over; nothing is sent again', async (t) => {
  const world = await openWorld('sqlite')
  t.after(() => world.close())
  const lines: { readonly text: string; readonly times?: number }[] = []
  const note = (fields: object, text: string) => void lines.push({ ...fields, text })
  const log: Log = { ...silentLog, error: note, info: note, child: () => log }
  let full = false
  // What is in memory stays there while it cannot be written down: nothing settles.
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      await world.clock.advance(1_000)
      await new Promise((done) => setImmediate(done))
    }
  }
  const store: typeof world.store = {
    ...world.store,
    write: async (scope, work, options) => {
      if (full) throw new Fault('disk-full', 'the disk is full')
      return world.store.write(scope, work, options)
    },
  }
  world.answers = () => {
    full = true
    return '250 2.0.0 ok'
  }
  for (let n = 0; n < 20; n++) await world.put([`u${n}@a.test`])
  world.queue = world.reopen({ store, log })
  await world.queue.start()
  await pass(150)
  const errors = lines.filter(({ text }) => text.includes('could not write down'))
  assert.ok(errors.length >= 2 && errors.length <= 4, `${errors.length} lines`)
  assert.equal(errors[0]!.times, 1)
  assert.ok(errors[1]!.times! > 5, 'the others are counted')
  const sent = world.sent.length
  full = false
  world.answers = () => '250 2.0.0 ok'
  await pass(600)
  assert.equal(lines.filter(({ text }) => text.includes('writes down again')).length, 1)
  assert.deepEqual(await world.queue.admin.list(), [])
  assert.ok(sent > 0)
  assert.equal(world.sent.length, 20, 'each once')
})

test('one result that never can be written does not make the log say again and again that it is over', async (t) => {
  const world = await openWorld('sqlite')
  t.after(() => world.close())
  const lines: string[] = []
  const note = (_: object, text: string) => void lines.push(text)
  const log: Log = { ...silentLog, error: note, info: note, child: () => log }
  const recorder = createRecorder({
    store: world.store,
    clock: world.clock,
    log,
    schedule: defaultSchedule,
    reporter: world.queue.reporter,
    fault: () => {},
  })
  let fails = true
  const poison = recorder.persist(async () => {
    if (fails) throw new Error('this one not')
  })
  for (let i = 0; i < 20; i++) {
    await recorder.persist(async () => i)
    await world.clock.advance(1_000)
  }
  assert.equal(lines.length, 1, lines.join(', '))
  fails = false
  await world.clock.advance(60_000)
  await poison
  assert.equal(lines.length, 2)
  assert.match(lines[1]!, /writes down again/)
})
