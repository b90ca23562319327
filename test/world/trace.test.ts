// `posthorn trace` against a running server: what was delivered, sent on, put off, refused and given up is told, and by what it is found.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Standing, Timeline } from '../../src/trace/index.ts'
import { freePorts, type Installation, startInstallation } from '../server.ts'
import { startSink } from './sink.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }

/** Says these lines one after the other, each when the one before was answered; the socket is cut at the end. */
async function say(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  const answers = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (text.split('\r\n').filter((line) => /^\d{3} /.test(line)).length >= count) resolve()
      }
      socket.on('data', look)
      socket.once('close', () => resolve())
      look()
    })
  socket.on('data', (chunk) => (text += chunk))
  for (const [i, line] of lines.entries()) {
    await answers(i + 1)
    socket.write(line.endsWith('\r\n') ? line : `${line}\r\n`)
  }
  const half = lines.at(-1)!.endsWith('\r\n')
  await (half ? new Promise((done) => setTimeout(done, 50)) : answers(lines.length + 1))
  socket.destroy()
  return text
}

const mail = (to: readonly string[], id: string, from = 'x@else.test') => [
  'EHLO c.test',
  `MAIL FROM:<${from}>`,
  ...to.map((one) => `RCPT TO:<${one}>`),
  'DATA',
  `From: <${from}>\r\nMessage-ID: <${id}>\r\nSubject: a secret\r\n\r\ntext\r\n.`,
]

async function find(server: Installation, what: string, ...more: string[]): Promise<Timeline[]> {
  return JSON.parse(await server.cliOk('trace', what, '--json', ...more)).timelines
}

/** Asks until it is so: things happen by themselves. */
async function until(
  server: Installation,
  what: string,
  is: (found: readonly Timeline[]) => boolean,
): Promise<Timeline[]> {
  for (let i = 0; ; i++) {
    const found = await find(server, what)
    if (is(found) || i === 60) return found
    await new Promise((done) => setTimeout(done, 100))
  }
}
const kinds = (timeline: Timeline | undefined) => timeline?.events.map(({ kind }) => kind)

test('posthorn trace tells what became of each message', async (t) => {
  const sink = await startSink(t)
  const [nobody] = await freePorts(1)
  const routes = { 'far.test': `127.0.0.1:${sink.port}`, 'dead.test': `127.0.0.1:${nobody}` }
  const server = await startInstallation(t, {
    users,
    config: { queue: { routes }, smtp: { trustedNetworks: ['127.0.0.1'] } },
  })
  const { ports } = server
  await server.cliOk('alias', 'add', 'all@posthorn.test', 'ada@posthorn.test', 'bob@posthorn.test', 'out@far.test')

  await t.test('delivered to all behind an alias, and sent on', async () => {
    const said = await say(ports.smtp, mail(['all@posthorn.test'], 'one@else.test'))
    const id = /queued as (\w+)/.exec(said)![1]!
    const [found] = await until(server, id, ([one]) => one?.states.delivered === 3)
    assert.deepEqual(found?.states, { delivered: 3 })
    assert.deepEqual(kinds(found), ['connected', 'expanded', 'stored', 'queued', 'attempt'])
    assert.deepEqual(
      [found?.from, found?.to, found?.messageId],
      ['x@else.test', ['all@posthorn.test'], 'one@else.test'],
    )
    const attempt = found!.events.at(-1)!
    assert.ok(attempt.kind === 'attempt' && attempt.relay?.includes(`:${sink.port}`) && attempt.ms !== undefined)
    const whats = ['<one@else.test>', 'one@else.test', 'x@else.test', 'bob@posthorn.test', 'out@far.test', '1']
    for (const what of whats) assert.equal((await find(server, what))[0]?.id, id, what)
    assert.ok(!JSON.stringify(found).includes('secret'))
    const text = await server.cliOk('trace', id)
    for (const words of [
      'all@posthorn.test leads to',
      'delivered to 2 mailboxes',
      'queued as 1',
      'out@far.test delivered',
    ])
      assert.ok(text.includes(words), `${words} is not in\n${text}`)
  })

  await t.test('put off with the reason, and taken out by hand, of which the sender hears', async () => {
    await say(ports.smtp, mail(['gone@dead.test'], 'two@else.test', 'ada@posthorn.test'))
    const [waiting] = await until(server, 'gone@dead.test', ([one]) => kinds(one)?.includes('attempt') === true)
    const put = waiting!.events.at(-1)!
    assert.ok(put.kind === 'attempt' && put.results[0]?.result === 'retry' && put.results[0].next! > put.at)
    assert.deepEqual(waiting?.states, { waiting: 1 })
    const queued = waiting!.events.find((event) => event.kind === 'queued')!
    assert.ok(queued.kind === 'queued')
    const number = String(queued.queue)
    const [{ next, reason, ...standing }] = waiting!.standing as [Standing]
    assert.deepEqual(standing, { to: 'gone@dead.test', queue: queued.queue, state: 'waiting', attempts: 1 })
    assert.ok(next! >= put.results[0].next! && reason === put.results[0].reply, reason)
    await server.cliOk('queue', 'hold', number)
    await server.cliOk('queue', 'release', number)
    await server.cliOk('queue', 'pause', '--domain', 'dead.test', '--reason', 'they move')
    const [paused] = (await find(server, 'two@else.test'))[0]!.standing
    assert.deepEqual([paused?.state, paused?.reason], ['held', 'held by rule 1: they move'])
    assert.match(await server.cliOk('trace', number), /Now\n +gone@dead\.test is held .*\n +held by rule 1: they move/)
    await server.cliOk('queue', 'route', number, `127.0.0.1:${nobody}`)
    await server.cliOk('queue', 'requeue', number)
    await server.cliOk('queue', 'remove', number, '--bounce')
    const [removed] = await find(server, 'two@else.test')
    assert.deepEqual([removed?.states, removed?.standing], [{ failed: 1 }, []])
    assert.match(await server.cliOk('trace', 'gone@dead.test'), /given up by an administrator: gone@dead\.test/)
    const since = kinds(removed)!
      .filter((kind) => kind !== 'attempt')
      .slice(2)
    assert.deepEqual(since, ['held', 'released', 'rerouted', 'requeued', 'removed', 'report'])
    // The report itself: written here, about that message, delivered to its sender.
    const [report] = await until(server, 'ada@posthorn.test', ([one]) => one?.origin === 'internal')
    assert.deepEqual([report?.from, report?.to, report?.states], ['', ['ada@posthorn.test'], { delivered: 1 }])
    assert.deepEqual(report?.events[0], { at: report?.at, kind: 'written', about: removed?.id })
  })

  await t.test('refused: the sender, a recipient, the header, the end of the data', async () => {
    const cases: readonly (readonly [string, readonly string[], string, string])[] = [
      ['big@else.test', ['EHLO c.test', 'MAIL FROM:<big@else.test> SIZE=99999999999'], 'mail', '552 5.3.4'],
      ['no@posthorn.test', ['EHLO c.test', 'MAIL FROM:<>', 'RCPT TO:<no@posthorn.test>', 'QUIT'], 'rcpt', '550 5.1.1'],
      [
        'loop@else.test',
        [...mail(['ada@posthorn.test'], 'x', 'loop@else.test').slice(0, -1), `${'Received: x\r\n'.repeat(60)}\r\n.`],
        'header',
        '554 5.4.6',
      ],
    ]
    for (const [what, lines, stage, reply] of cases) {
      await say(ports.smtp, lines)
      const [found] = await until(server, what, (all) => all.length > 0)
      assert.deepEqual(found?.states, { refused: 1 }, what)
      const refused = found!.events.find((event) => event.kind === 'refused')!
      assert.ok(refused.kind === 'refused' && refused.stage === stage && refused.reply.startsWith(reply), what)
    }
  })

  await t.test('one recipient refused beside one who was not; a client that leaves in the middle', async () => {
    await say(ports.smtp, mail(['no@posthorn.test', 'bob@posthorn.test'], 'three@else.test', 'both@else.test'))
    const [both] = await until(server, 'both@else.test', (all) => all.length > 0)
    assert.deepEqual(both?.states, { refused: 1, delivered: 1 })
    assert.equal((await find(server, 'no@posthorn.test'))[0]?.id, both?.id)
    await say(ports.smtp, [
      ...mail(['bob@posthorn.test'], '', 'half@else.test').slice(0, -1),
      'Subject: x\r\n\r\nhalf\r\n',
    ])
    const [half] = await until(server, 'half@else.test', (all) => all.length > 0)
    assert.deepEqual(half?.states, { withdrawn: 1 })
    // Who only looks whether somebody is there leaves nothing.
    await say(ports.smtp, ['EHLO c.test', 'MAIL FROM:<look@else.test>', 'RCPT TO:<bob@posthorn.test>', 'QUIT'])
    await new Promise((done) => setTimeout(done, 1_500))
    assert.deepEqual(await find(server, 'look@else.test'), [])
  })

  await t.test('pages, limits and times', async () => {
    const all = await find(server, 'bob@posthorn.test')
    assert.ok(all.length >= 3 && all.every(({ at }, i) => i === 0 || at <= all[i - 1]!.at + 2_000))
    const first = JSON.parse(await server.cliOk('trace', 'bob@posthorn.test', '--json', '--limit', '1'))
    const second = await find(server, 'bob@posthorn.test', '--limit', '1', '--after', first.next)
    assert.deepEqual([first.timelines[0].id, second[0]?.id], [all[0]?.id, all[1]?.id])
    assert.deepEqual(await find(server, 'bob@posthorn.test', '--since', '2099-01-01'), [])
    assert.equal((await find(server, 'bob@posthorn.test', '--since', '1h')).length, all.length)
    for (const wrong of [
      ['--limit', '0'],
      ['--since', 'soon'],
    ])
      assert.equal((await server.cli('trace', 'x@y.test', ...wrong)).code, 2)
    const none = await server.cli('trace', 'nobody@nowhere.test')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /nothing is known of nobody@nowhere\.test/)
  })
})
