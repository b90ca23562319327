// What crosses between two threads, and what cannot.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { Fault } from './fault.ts'
import { joinPort, moving } from './port.ts'

interface Echo {
  say(value: unknown): Promise<unknown>
  spoil(): Promise<unknown>
  refuse(): Promise<never>
}

test('what is said in one turn is answered each by itself, also when some of it cannot be carried', async (t) => {
  const heard: unknown[] = []
  const echo: Echo = {
    say: async (value) => value,
    spoil: async () => () => {},
    refuse: async () => {
      throw new Fault('not-found', 'there is none')
    },
  }
  const { port1, port2 } = new MessageChannel()
  const served = joinPort(port1, { echo })
  const calls = joinPort(port2, {})
  t.after(() => served.close())
  t.after(() => calls.close())
  served.on('sign', (value: never) => heard.push(value))
  const remote = calls.service<Echo>('echo')
  const bytes = new Uint8Array([1, 2, 3])
  calls.signal('sign', 1)
  const said = await Promise.allSettled([
    remote.say('one'),
    remote.say(() => 'cannot be cloned'),
    remote.spoil(),
    remote.refuse(),
    remote.say(moving({ bytes }, [bytes.buffer])),
    remote.say('six'),
  ])
  calls.signal('sign', 2)
  await remote.say('after the signal')
  const words = said.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.message))
  assert.deepEqual(words[0], 'one')
  assert.match(words[1] as string, /cannot be carried/)
  assert.match(words[2] as string, /cannot be carried/)
  assert.equal(words[3], 'there is none')
  assert.deepEqual(words[4], { bytes: new Uint8Array([1, 2, 3]) })
  assert.equal(words[5], 'six')
  assert.equal(bytes.length, 0, 'moved, not copied')
  assert.deepEqual(heard, [1, 2])
})

test('who waits when the other side goes is told', async () => {
  const { port1, port2 } = new MessageChannel()
  joinPort(port1, { echo: { say: () => new Promise(() => {}) } })
  const calls = joinPort(port2, {})
  const waits = assert.rejects(calls.service<Echo>('echo').say(1), /the server is stopping/)
  setTimeout(() => port1.close(), 20)
  await waits
  await assert.rejects(calls.service<Echo>('echo').say(2), /the server is stopping/)
})
