// One client's large commands do not keep others waiting.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { full, startInstallation } from '../server.ts'
import { delaysWhile, fillMailbox, Sink } from './many.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }
const count = full ? 100_000 : 3_000

/** Commands on the whole mailbox, in this order. */
const commands = [
  'FETCH 1:* FLAGS',
  'FETCH 1:* (UID FLAGS ENVELOPE)',
  'FETCH 1:* (BODYSTRUCTURE)',
  'FETCH 1:* (BODY.PEEK[])',
  'FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject)])',
  'SEARCH BODY "nowhere to be found"',
  'SEARCH BODY "ds of"',
  'STORE 1:* +FLAGS.SILENT (\\Flagged)',
  'STORE 1:* FLAGS (\\Seen $Work)',
  'COPY 1:* Archive',
  'MOVE 1:* Sent',
]

test(`another's NOOP waits under 50 ms while one client works on ${count} messages`, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const busy = await (await Sink.open(ports.imap)).login('ada@posthorn.test', 'correct horse')
  const other = await (await Sink.open(ports.imap)).login('bob@posthorn.test', 'battery staple')
  const began = performance.now()
  await fillMailbox(busy, 'INBOX', count)
  t.diagnostic(`filled in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  await busy.say('SELECT INBOX')
  await other.say('SELECT INBOX')
  const writes: [string, number][] = []
  for (const command of commands) {
    const began = performance.now()
    const noop = await delaysWhile(
      () => other.say('NOOP'),
      () => busy.say(command),
    )
    t.diagnostic(`${command}: ${(performance.now() - began).toFixed(0)} ms; NOOP ${show(noop)}`)
    writes.push([command, noop.worst])
  }
  for (const [command, worst] of writes) assert.ok(worst < 50, `${command}: NOOP waited ${worst.toFixed(0)} ms`)
  busy.close()
  other.close()
})

const show = ({ count, median, worst }: { count: number; median: number; worst: number }) =>
  `${count}×, median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`
