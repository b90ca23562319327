// Who is asked when: in parallel and in turn, within time, a few at once, and not at all while nobody answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FakeClock, Fault, fakeClock, type Log, silentLog } from '../base/index.ts'
import { type AskOptions, ask, deadlineMs, guard, teach } from './ask.ts'
import { toRequest } from './testing/request.ts'
import type { Filter, FilterAnswer, FilterRequest } from './types.ts'

const options: AskOptions = {
  timeoutMs: 10_000,
  onFailure: 'accept',
  connections: 2,
  maxSize: 1_000,
  inside: false,
}
const message = 'Subject: x\r\n\r\nx\r\n'
const accept: FilterAnswer = { action: 'accept', reasons: [] }

function world() {
  const clock = fakeClock()
  const told: string[] = []
  const log: Log = {
    ...silentLog,
    info: (_, text) => told.push(`info ${text}`),
    warn: (_, text) => told.push(`warn ${text}`),
    error: (_, text) => told.push(`error ${text}`),
  }
  return { clock, log, told }
}
const filter = (name: string, check: Filter['check']): Filter => ({ name, check })
const silent = filter('silent', () => new Promise(() => {}))
const turn = () => new Promise((resolve) => setImmediate(resolve))
/** Time passes when everybody waits for it. */
const pass = async (clock: FakeClock, ms: number) => {
  await turn()
  await clock.advance(ms)
}

test('lanes at once, each filter with its own time and its own answer for the end of it', async () => {
  const { clock, log, told } = world()
  const parts = { clock, log }
  const lanes = [
    [guard(silent, { ...options, timeoutMs: 3_000 }, parts)],
    [guard({ ...silent, name: 'strict' }, { ...options, onFailure: 'tempfail' }, parts)],
    [
      guard(
        filter('quick', async () => ({ action: 'junk', reasons: ['because'] })),
        options,
        parts,
      ),
    ],
  ]
  const asked = ask(parts, lanes, toRequest(message))
  await pass(clock, 10_000)
  const results = await asked
  assert.deepEqual(
    results.map(({ filter, answer, failure, ms }) => [filter, answer.action, answer.reasons[0], failure, ms]),
    [
      ['silent', 'accept', 'silent could not be asked: no answer within 3 s', 'no answer within 3 s', 3_000],
      ['strict', 'defer', 'strict could not be asked: no answer within 10 s', 'no answer within 10 s', 10_000],
      ['quick', 'junk', 'because', undefined, 0],
    ],
  )
  assert.deepEqual(told, [])
})

test('who is asked hears when it is enough', async () => {
  const { clock, log } = world()
  let signal: AbortSignal | undefined
  const one = filter('one', (_, given) => {
    signal = given
    return new Promise(() => {})
  })
  const asked = ask({ clock, log }, [[guard(one, options, { clock, log })]], toRequest(message))
  await pass(clock, 9_999)
  assert.equal(signal!.aborted, false)
  await pass(clock, 1)
  assert.equal(signal!.aborted, true)
  await asked
})

test('in a lane each sees what those before it put on top; a refusal is the last word', async () => {
  const { clock, log } = world()
  const seen: FilterRequest[] = []
  const adds = filter('adds', async () => ({
    ...accept,
    headers: [
      { name: 'X-One', value: '1' },
      { name: 'X-Two', value: 'a\r\n\tb' },
    ],
  }))
  const looks = filter('looks', async (request) => {
    seen.push(request)
    return { action: 'reject', reasons: ['no'] }
  })
  const parts = { clock, log }
  const lane = [adds, looks, filter('never', () => assert.fail())].map((one) => guard(one, options, parts))
  const results = await ask(parts, [lane], toRequest(message))
  assert.deepEqual(
    results.map(({ filter }) => filter),
    ['adds', 'looks'],
  )
  const top = 'X-One: 1\r\nX-Two: a\r\n\tb\r\n'
  const [request] = seen
  assert.equal(Buffer.from(request!.header).toString(), `${top}Subject: x\r\n\r\n`)
  const pieces: Uint8Array[] = []
  for await (const piece of request!.bytes()) pieces.push(piece)
  assert.equal(Buffer.concat(pieces).toString(), top + message)
  assert.equal(request!.size, top.length + message.length)
})

test('too large a message, and one from inside, are not its business', async () => {
  const { clock, log } = world()
  const parts = { clock, log }
  const never = filter('never', () => assert.fail())
  const lanes = [[guard(never, options, parts)]]
  const [large] = await ask(parts, lanes, toRequest(message, { size: 1_001 }))
  assert.deepEqual(large!.answer, {
    action: 'accept',
    reasons: ['never was not asked: 1001 bytes are more than its 1000'],
  })
  assert.equal(large!.failure, undefined)
  assert.deepEqual(await ask(parts, lanes, toRequest(message, { inside: true })), [])
  const both = guard(
    filter('both', async () => accept),
    { ...options, inside: true },
    parts,
  )
  assert.equal((await ask(parts, [[both]], toRequest(message, { inside: true }))).length, 1)
})

test('a few at a time; the others in order', async () => {
  const { clock, log } = world()
  const parts = { clock, log }
  const ends: (() => void)[] = []
  let most = 0
  let now = 0
  const one = filter('one', async () => {
    most = Math.max(most, ++now)
    await new Promise<void>((resolve) => ends.push(resolve))
    now--
    return accept
  })
  const guarded = guard(one, options, parts)
  const asked = Array.from({ length: 5 }, () => ask(parts, [[guarded]], toRequest(message)))
  for (let i = 0; i < 5; i++) {
    await turn()
    ends.shift()?.()
  }
  await turn()
  while (ends.length > 0) {
    ends.shift()!()
    await turn()
  }
  await Promise.all(asked)
  assert.equal(most, 2)
})

test('one that does not answer costs three messages its time, then none; it is asked again one by one', async () => {
  const { clock, log, told } = world()
  const parts = { clock, log }
  let answers = false
  let questions = 0
  const one = filter('one', () => {
    questions++
    return answers ? Promise.resolve(accept) : new Promise(() => {})
  })
  const guarded = guard(one, options, parts)
  const post = () => ask(parts, [[guarded]], toRequest(message))
  const slow = [post(), post(), post()]
  await pass(clock, 10_000)
  await pass(clock, 10_000)
  await Promise.all(slow)
  assert.equal(questions, 3)
  assert.deepEqual(told, ['warn the filter does not answer: left out for a while'])

  const started = clock.monotonic()
  const results = (await Promise.all(Array.from({ length: 50 }, post))).flat()
  assert.equal(clock.monotonic(), started, 'nobody waits')
  assert.ok(results.every(({ failure }) => failure === 'no answer within 10 s (left out for a while)'))
  assert.equal(questions, 3)

  await pass(clock, 10_000)
  const trial = post()
  await turn()
  const others = (await Promise.all([post(), post()])).flat()
  assert.equal(questions, 4, 'one tries for all')
  assert.ok(others.every(({ failure }) => failure !== undefined))
  await pass(clock, 10_000)
  await trial
  assert.equal(told.length, 1, 'that it still does not answer is nothing new')

  // The rest doubles.
  await pass(clock, 10_000)
  await post()
  assert.equal(questions, 4)
  await pass(clock, 10_000)
  answers = true
  assert.equal((await post())[0]!.failure, undefined)
  assert.deepEqual(told.slice(1), ['info the filter answers again'])
  await Promise.all([post(), post(), post()])
  assert.equal(questions, 8)
})

test('those who wait for one that does not answer wait no longer when that is known', async () => {
  const { clock, log } = world()
  const parts = { clock, log }
  const guarded = guard(silent, { ...options, connections: 1 }, parts)
  const asked = Array.from({ length: 20 }, () => ask(parts, [[guarded]], toRequest(message)))
  for (let i = 0; i < 3; i++) await pass(clock, 10_000)
  await Promise.all(asked)
  assert.equal(clock.monotonic(), 30_000)
})

test('all of it within one time, which is not the fault of who was not reached', async () => {
  const { clock, log, told } = world()
  const parts = { clock, log }
  const guarded = guard(silent, { ...options, timeoutMs: 10 * deadlineMs, connections: 1 }, parts)
  const asked = Array.from({ length: 5 }, () => ask(parts, [[guarded]], toRequest(message)))
  await pass(clock, deadlineMs)
  for (const [result] of await Promise.all(asked)) assert.match(result!.failure!, /no answer within 120 s/)
  assert.deepEqual(told, [])
  const next = ask(parts, [[guarded]], toRequest(message))
  await pass(clock, deadlineMs)
  assert.doesNotMatch((await next)[0]!.failure!, /left out/)
})

test('a client that is gone ends the question, and blames nobody', async () => {
  const { clock, log, told } = world()
  const parts = { clock, log }
  const guarded = guard(silent, options, parts)
  for (let i = 0; i < 5; i++) {
    const gone = new AbortController()
    const asked = ask(parts, [[guarded]], toRequest(message), gone.signal)
    await turn()
    gone.abort(new Error('gone'))
    await assert.rejects(asked, /^Error: gone$/)
  }
  assert.deepEqual(told, [])
  await assert.rejects(ask(parts, [[guarded]], toRequest(message), AbortSignal.abort(new Error('before'))), /before/)
})

test('a mistake of ours in a filter is logged whole and told to nobody outside', async () => {
  const { clock, log, told } = world()
  const parts = { clock, log }
  const broken = filter('broken', async () => {
    throw new TypeError('x is not a function')
  })
  const [result] = await ask(parts, [[guard(broken, options, parts)]], toRequest(message))
  assert.deepEqual([result!.failure, result!.answer.reasons], ['it failed', ['broken could not be asked: it failed']])
  assert.deepEqual(told, ['error a filter failed'])
})

test('lessons are guarded like questions', async () => {
  const { clock, log } = world()
  const parts = { clock, log }
  const learned: string[] = []
  const learns: Filter = {
    ...filter('learns', async () => accept),
    async learn(lesson, { size }) {
      if (size === 1) throw new Fault('invalid', 'too few words')
      learned.push(lesson)
      return 'learned'
    },
  }
  const guarded = guard(learns, options, parts)
  assert.equal(await teach(parts, guarded, 'spam', toRequest(message)), 'learned')
  assert.equal(await teach(parts, guarded, 'ham', toRequest(message, { size: 1_001 })), undefined)
  assert.equal(await teach(parts, guard(silent, options, parts), 'ham', toRequest(message)), undefined)
  for (let i = 0; i < 5; i++)
    await assert.rejects(teach(parts, guarded, 'ham', toRequest(message, { size: 1 })), /too few words/)
  assert.equal(await teach(parts, guarded, 'ham', toRequest(message)), 'learned', 'a refusal is an answer')
  assert.deepEqual(learned, ['spam', 'ham'])
})
