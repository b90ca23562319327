// SORT and THREAD beside Debian's Dovecot: conversations at random, with lost parents, ids given twice, replies without References,
// forwards, list tags and equal dates, are ordered alike. docs/imap-differences.md tells where the keys themselves differ.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startInstallation } from '../server.ts'
import { type ImapTalk, openImap } from './answers.ts'
import { openDovecot } from './dovecot.ts'
import { needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const MESSAGES = 250

type Random = (below: number) => number
function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * below)
  }
}

const marks = ['', '', 'Re: ', 'RE: ', 'Fwd: ', 'Re: Fwd: ', 're : ', '[list] Re: ']
const subjects = [
  'Plan',
  '[list] Plan',
  'Grüße',
  '',
  'a_b',
  'ab',
  'A b',
  '_x',
  '[x][y] z',
  '(fwd)',
  '[fwd: inner]',
  'Plan (fwd)',
]
const names = ['Ann ', 'bob ', 'Zoë ', '"Q, R" ', '', '=?utf-8?Q?=C3=84nne?= ', 'list: x@y.test, ']

function message(i: number, random: Random): Buffer {
  const pick = (list: readonly string[]) => list[random(list.length)]!
  const id = (n: number) => `<m${n}@gen>`
  const address = () => {
    const name = pick(names)
    const mailbox = `<u${random(9)}@x.test>`
    return name.startsWith('list') ? `${name}${mailbox};` : `${name}${mailbox}`
  }
  const lines: string[] = []
  if (random(20) > 0) lines.push(`Message-ID: ${id(random(30) > 0 ? i : random(i + 1))}`)
  const kind = random(6)
  if (kind > 1 && i > 0) {
    const refs: string[] = []
    for (let n = 1 + random(4), at = random(i); n > 0; n--, at = random(at + 1))
      refs.unshift(random(12) > 0 ? id(at) : `<gone${random(40)}@gen>`)
    lines.push(`References: ${refs.join(' ')}`)
    if (random(3) === 0) lines.push(`In-Reply-To: ${id(random(i))}`)
  } else if (kind === 1 && i > 0) lines.push(`In-Reply-To: ${id(random(i))}`)
  lines.push(`Subject: ${pick(marks)}${pick(subjects)}`, `From: ${address()}`)
  if (random(5) > 0) lines.push(`To: ${address()}`)
  if (random(2) > 0) lines.push(`Cc: ${address()}`)
  if (random(15) > 0) lines.push(`Date: ${new Date(1.6e12 + random(60) * 3.6e6).toUTCString().replace('GMT', '+0000')}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${'x'.repeat(random(50))}\r\n`)
}

async function answer(talk: ImapTalk, command: string): Promise<string> {
  const responses = await talk.ok(command)
  const line = responses.find((response) => /^\* (SORT|THREAD)/.test(response.toString('latin1', 0, 10)))
  return line!.toString('latin1').trim()
}

const criteria = [
  'ARRIVAL',
  'CC',
  'DATE',
  'FROM',
  'SIZE',
  'SUBJECT',
  'TO',
  'DISPLAYFROM',
  'DISPLAYTO',
  'REVERSE DATE',
  'REVERSE SUBJECT FROM',
  'TO REVERSE DATE',
]
const keys = ['ALL', '20:200', 'SUBJECT plan']

test('SORT and THREAD answer as Dovecot does', { skip: await needs('Dovecot') }, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ours = openImap(ports.imap)
  const theirs = await openDovecot(t)
  await ours.ok('LOGIN ada@posthorn.test "correct horse"')
  const seed = Number(process.env['SEED'] ?? 20_240_101)
  for (const talk of [ours, theirs]) {
    const random = seeded(seed)
    for (let i = 0; i < MESSAGES; i++) {
      const day = 1 + ((i * 7919) % 28)
      await talk.ok(
        `APPEND INBOX "${day < 10 ? ' ' : ''}${day}-Jan-2020 00:00:${10 + (i % 50)} +0000" `,
        message(i, random),
      )
    }
    await talk.ok('SELECT INBOX')
  }
  const same = async (command: string, of = (line: string): unknown => line) =>
    assert.deepEqual(of(await answer(ours, command)), of(await answer(theirs, command)), `${command}, seed ${seed}`)
  for (const key of keys) for (const order of criteria) await same(`SORT (${order}) UTF-8 ${key}`)
  await same('THREAD REFERENCES UTF-8 ALL')
  for (const key of keys) await same(`THREAD ORDEREDSUBJECT UTF-8 ${key}`)
  // Where newest messages have one date Dovecot has no order of its own.
  await same('THREAD REFS UTF-8 ALL', threads)
  for (const talk of [ours, theirs]) talk.end()
})

/** The threads of an answer in any order. */
function threads(line: string): string[] {
  const found: string[] = []
  let depth = 0
  let from = 0
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '(' && depth++ === 0) from = at
    else if (line[at] === ')' && --depth === 0) found.push(line.slice(from, at + 1))
  }
  return found.sort()
}
