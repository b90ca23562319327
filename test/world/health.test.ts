// /health and /metrics of a real server, and each illness made to happen. (A queue that stalls: nodes.test.ts, with PostgreSQL.)

import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Installation, run, startInstallation } from '../server.ts'
import { message, Smtp, sleep } from './talk.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
type Health = { readonly status: string; readonly parts: { readonly [part: string]: string } }

async function health(server: Installation): Promise<[number, Health]> {
  const answer = await fetch(`http://127.0.0.1:${server.ports.http}/health`)
  return [answer.status, (await answer.json()) as Health]
}

/** Asks until the answer has this status: the probe is written once a second. */
async function healthOf(server: Installation, status: number): Promise<Health> {
  for (let i = 0; i < 100; i++) {
    const [found, answer] = await health(server)
    if (found === status) return answer
    await sleep(100)
  }
  throw new Error(`/health never was ${status}: ${JSON.stringify(await health(server))}`)
}

/** Samples by name and labels; throws at a line that is not Prometheus text. */
async function metrics(server: Installation): Promise<Map<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${server.ports.http}/metrics`)
  assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  const samples = new Map<string, number>()
  const typed = new Set<string>()
  const text = await answer.text()
  assert.ok(text.endsWith('\n'))
  for (const line of text.trimEnd().split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/.exec(line)
    if (comment) {
      if (comment[1] === 'TYPE') {
        assert.match(comment[3]!, /^(counter|gauge|histogram|summary|untyped)$/)
        assert.ok(!typed.has(comment[2]!), `two types: ${line}`)
        typed.add(comment[2]!)
      }
      continue
    }
    if (line === '') continue
    const sample = /^([a-zA-Z_:][\w:]*)(\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/.exec(line)
    assert.ok(sample, `not a sample: ${line}`)
    const family = sample[1]!.replace(/_(bucket|sum|count)$/, '')
    assert.ok(typed.has(sample[1]!) || typed.has(family), `no type: ${line}`)
    const key = sample[1]! + (sample[2] ?? '')
    assert.ok(!samples.has(key), `twice: ${line}`)
    assert.ok(!Number.isNaN(Number(sample[3])) || sample[3] === 'Nan', line)
    samples.set(key, Number(sample[3]))
  }
  return samples
}

async function deliver(server: Installation): Promise<string[]> {
  const smtp = await Smtp.open(server.ports.smtp)
  const replies = await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], message('a message'))
  smtp.close()
  return replies
}

test('well: 200, figures move when mail moves, everything else is 404; below the line of the disk: 503 and 452', async (t) => {
  const server = await startInstallation(t, { users })
  assert.deepEqual(await health(server), [
    200,
    { status: 'ok', parts: { core: 'ok', disk: 'ok', store: 'ok', queue: 'ok' } },
  ])
  const before = await metrics(server)
  for (let i = 0; i < 3; i++) assert.match((await deliver(server)).at(-1)!, /^250/)
  const after = await metrics(server)
  const grown = [...after].filter(([name, value]) => value === (before.get(name) ?? 0) + 3).map(([name]) => name)
  for (const name of ['posthorn_smtp_messages_total{what="ok"}', 'posthorn_smtp_connections_total'])
    assert.ok(grown.includes(name), `${name} did not grow by 3; what did: ${grown}`)
  assert.ok(after.get('posthorn_store_write_seconds_count')! >= before.get('posthorn_store_write_seconds_count')! + 3)
  for (const path of ['/', '/index.html', '/health/', '/api', '/metrics/x'])
    assert.equal((await fetch(`http://127.0.0.1:${server.ports.http}${path}`)).status, 404, path)

  await server.stop()
  await server.reconfigure({ disk: { minimumFree: '900T' } })
  await server.start()
  const ill = await healthOf(server, 503)
  assert.equal(ill.status, 'failing')
  assert.match(ill.parts['disk']!, /^\d+ MiB free, the configured line is \d+ MiB$/)
  assert.equal(ill.parts['store'], 'ok')
  assert.match((await deliver(server))[0]!, /^452 4\.3\.1 /)
})

test('a store that cannot write: 503 names it, mail is put off and nothing lost, and it is well again when there is room', async (t) => {
  const server = await Installation.make({ config: { disk: { minimumFree: 0 } } })
  // Hooks run in the order in which they were made.
  t.after(async () => {
    await server.stop('SIGKILL')
    await run('umount', [server.data])
    await server.remove()
  })
  mkdirSync(server.data, { recursive: true })
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'tmpfs', server.data])
  if (mounted.code !== 0) return t.skip(`needs to mount a small tmpfs: ${mounted.stderr.trim()}`)
  await server.cliOk('domain', 'add', 'posthorn.test')
  await server.cliOk('user', 'add', 'ada@posthorn.test', '--generate')
  await server.start()
  assert.match((await deliver(server)).at(-1)!, /^250/)
  const filler = join(server.data, 'filler')
  for (const size of [2 ** 20, 2 ** 12])
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    }
  // What the log of the store had kept free is soon used up.
  const smtp = await Smtp.open(server.ports.smtp)
  let refused = ''
  let taken = 1
  for (let i = 0; i < 3_000 && !refused; i++) {
    const reply = (
      await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], message('much', 'x'.repeat(20_000)))
    ).at(-1)!
    if (reply.startsWith('250')) taken++
    else refused = reply
  }
  smtp.close()
  assert.match(refused, /^4\d\d 4\.3\.[01] /)
  const ill = await healthOf(server, 503)
  assert.notEqual(ill.parts['store'], 'ok', JSON.stringify(ill))
  t.diagnostic(`store: ${ill.parts['store']}; ${refused.trim()}`)
  rmSync(filler)
  await healthOf(server, 200)
  assert.match((await deliver(server)).at(-1)!, /^250/)
  const list = JSON.parse(await server.cliOk('user', 'list', '--json'))
  assert.equal(list[0].usedMessages, taken + 1)
})
