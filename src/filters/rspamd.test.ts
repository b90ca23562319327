// Rspamd's HTTP on the wire: what it is told, its actions as ours, answers that are none; learning.

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { createRspamd, type RspamdOptions } from './rspamd.ts'
import { forever, startDaemon } from './testing/daemon.ts'
import { toRequest } from './testing/request.ts'

const message = 'From: a@good.test\r\nSubject: x\r\n\r\nGood day.\r\n'

interface Asked {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rcpt: readonly string[]
  readonly body: string
}

/** An HTTP server that answers so, and what it was asked. */
async function serve(
  t: { after(end: () => void): void },
  answer: (response: ServerResponse, asked: Asked) => void,
  change: Partial<RspamdOptions> = {},
) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request.setEncoding('latin1')) body += piece
    const rcpt = request.headersDistinct['rcpt'] ?? []
    const one = { url: `${request.method} ${request.url}`, headers: request.headers, rcpt, body }
    asked.push(one)
    answer(response, one)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const place = { host: '127.0.0.1', port: (server.address() as { port: number }).port }
  const filter = createRspamd({ place, controller: place, reject: 'reject', hostname: 'mx.here.test', ...change })
  return { filter, asked, place }
}

const json = (value: object) => (response: ServerResponse) => void response.end(JSON.stringify(value))
const ok = json({ is_skipped: false, score: 1.234, required_score: 15, action: 'no action', symbols: {} })

test('it is told what came from whom, and the message as it is', async (t) => {
  const { filter, asked } = await serve(t, ok, { password: 'secret' })
  const request = toRequest(message, {
    ptr: 'out.good.test',
    helo: 'häl\r\nX-Evil: 1',
    from: '',
    to: ['ann@here.test', 'bob@here.test'],
    account: 'ann@here.test',
  })
  await filter.check(request, forever)
  const [{ url, headers, rcpt, body }] = asked as [Asked]
  assert.equal(url, 'POST /checkv2')
  assert.equal(body, message)
  assert.deepEqual(rcpt, ['ann@here.test', 'bob@here.test'])
  const { ip, helo, hostname, from, user, password } = headers
  assert.deepEqual(
    [ip, hostname, from, user, password],
    ['192.0.2.1', 'out.good.test', '<>', 'ann@here.test', 'secret'],
  )
  assert.equal(Buffer.from(helo as string, 'latin1').toString(), 'hälX-Evil: 1')
  assert.equal(headers['queue-id'], 't1')
  assert.equal(headers['mta-name'], 'mx.here.test')
})

const actions: readonly [string, object, string][] = [
  ['no action', {}, 'accept'],
  ['greylist', {}, 'accept'],
  ['add header', {}, 'junk'],
  ['rewrite subject', {}, 'junk'],
  ['soft reject', {}, 'defer'],
  ['reject', {}, 'reject'],
  ['something new', {}, 'accept'],
  ['no action', { milter: { reject: 'discard' } }, 'quarantine'],
  ['no action', { milter: { reject: 'quarantine' } }, 'quarantine'],
  ['reject', { is_skipped: true }, 'reject'],
  ['no action', { is_skipped: true }, 'accept'],
]
for (const [action, more, expected] of actions)
  test(`${action} ${JSON.stringify(more)} means ${expected}`, async (t) => {
    const { filter } = await serve(t, json({ score: 7.5, required_score: 15, action, ...more }))
    assert.equal((await filter.check(toRequest(message), forever)).action, expected)
  })

test('what it wants refused may go elsewhere', async (t) => {
  const { filter } = await serve(t, json({ score: 20, required_score: 15, action: 'reject' }), { reject: 'quarantine' })
  assert.equal((await filter.check(toRequest(message), forever)).action, 'quarantine')
})

test('score, threshold of the action, symbols that count first, its words and fields', async (t) => {
  const { filter } = await serve(
    t,
    json({
      score: 7.456,
      required_score: 15,
      thresholds: { 'add header': 6 },
      action: 'add header',
      symbols: { SMALL: { score: 0.1 }, GOOD: { score: -3 }, BIG: { score: 5 }, ODD: 'x' },
      messages: { smtp_message: 'Try\r\nagain' },
    }),
  )
  assert.deepEqual(await filter.check(toRequest(message), forever), {
    action: 'junk',
    score: 7.46,
    threshold: 6,
    symbols: ['BIG', 'GOOD', 'SMALL', 'ODD'],
    reasons: ['Rspamd says add header (7.46 of 6) "Try  again": BIG, GOOD, SMALL, ODD'],
    headers: [
      { name: 'X-Spam-Flag', value: 'YES' },
      { name: 'X-Spam-Status', value: 'Yes, score=7.46 required=6\r\n\ttests=BIG,GOOD,SMALL,ODD' },
    ],
  })
})

test('fields that it asks for are added as they should stand, and no others', async (t) => {
  const wanted = {
    'X-One': 'plain',
    'X-Two': { value: 'folded\n\there', order: 0 },
    'X-Three': ['a', { value: 'b\r\nInjected: yes' }],
    'Bad Name': 'x',
  }
  const { filter } = await serve(
    t,
    json({ score: 1, action: 'no action', milter: { add_headers: wanted, remove_headers: { 'X-Spam': 0 } } }),
  )
  const { headers } = await filter.check(toRequest(message), forever)
  assert.deepEqual(headers, [
    { name: 'X-One', value: 'plain' },
    { name: 'X-Two', value: 'folded\r\n\there' },
    { name: 'X-Three', value: 'a' },
    { name: 'X-Three', value: 'b\r\n\tInjected: yes' },
  ])
})

function breakOff(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Length': 100 }).write('{')
  response.destroy()
}

const broken: readonly [string, (response: ServerResponse) => void, RegExp][] = [
  ['no JSON', (r) => void r.end('<html>'), /its answer has no action and score/],
  ['JSON of another kind', (r) => void r.end('[1]'), /its answer has no action and score/],
  ['null', (r) => void r.end('null'), /its answer has no action and score/],
  ['no score', json({ action: 'reject' }), /its answer has no action and score/],
  ['a status', (r) => void r.writeHead(503, 'Busy').end(), /it answered 503 Busy/],
  ['a status with words', (r) => void r.writeHead(400).end('{"error":"empty body"}'), /it answered 400 empty body/],
  ['more than it should', (r) => void r.end('x'.repeat(2_000_000)), /it said more than it should/],
  ['half an answer', breakOff, /rspamd at /],
]
for (const [what, answer, error] of broken)
  test(`${what} is no answer`, async (t) => {
    const { filter } = await serve(t, answer)
    await assert.rejects(filter.check(toRequest(message), forever), (thrown: Error & { code?: string }) => {
      assert.match(thrown.message, error)
      assert.equal(thrown.code, 'unavailable')
      return true
    })
  })

test('what is no HTTP, is not there or says nothing is a failure', async (t) => {
  const other = await startDaemon(t, (_, socket) => void socket.end('220 smtp ready\r\n'))
  const options = { reject: 'reject', hostname: 'x' } as const
  await assert.rejects(
    createRspamd({ place: other.place, ...options }).check(toRequest(message), forever),
    /rspamd at /,
  )
  const nowhere = createRspamd({ place: { path: '/nowhere/rspamd.sock' }, ...options })
  await assert.rejects(
    nowhere.check(toRequest(message), forever),
    /rspamd at \/nowhere\/rspamd\.sock: there is no such/,
  )
  const silent = await startDaemon(t, () => undefined)
  const patience = AbortSignal.timeout(50)
  const asked = createRspamd({ place: silent.place, ...options }).check(toRequest(message), patience)
  await assert.rejects(asked, (error) => error === patience.reason)
})

const lessons: readonly [number, string, string, string][] = [
  [200, 'OK', '{"success":true}', 'learned'],
  [208, 'Already reported', '{"error":"x"}', 'known'],
  [404, '<a@b> has been already learned as spam, ignore it', '{"error":"x"}', 'known'],
  [204, '<a@b> contains less tokens than required', '', 'invalid'],
  [404, 'no such thing', '{"error":"x"}', 'invalid'],
  [401, 'Unauthorized', '{"error":"Unauthorized"}', 'unavailable'],
  [500, 'cannot commit', '', 'unavailable'],
]
for (const [status, words, body, expected] of lessons)
  test(`learning, answered ${status} ${words}: ${expected}`, async (t) => {
    const { filter, asked } = await serve(t, (r) => void r.writeHead(status, words).end(body), { password: 'secret' })
    const outcome = await filter.learn!('ham', toRequest(message), forever).catch(({ code }) => code)
    assert.equal(outcome, expected)
    assert.deepEqual(
      [asked[0]!.url, asked[0]!.body, asked[0]!.headers['password']],
      ['POST /learnham', message, 'secret'],
    )
  })

test('a 204 with a text behind it, as Rspamd 3.4 sends it', async (t) => {
  const said =
    'HTTP/1.1 204 <undef> contains less tokens than required: 3 < 11\r\nConnection: close\r\nContent-Length: 13\r\n\r\n{"error":"x"}'
  const daemon = await startDaemon(t, (heard, socket) => {
    if (heard.includes('Good day.')) socket.end(said)
    return undefined
  })
  const filter = createRspamd({ place: daemon.place, controller: daemon.place, reject: 'reject', hostname: 'x' })
  await assert.rejects(filter.learn!('spam', toRequest(message), forever), { code: 'invalid', message: /less tokens/ })
})

test('without a controller it does not learn', () => {
  const filter = createRspamd({ place: { host: '127.0.0.1', port: 1 }, reject: 'reject', hostname: 'x' })
  assert.equal(filter.learn, undefined)
})
