// The disk fills up under load: new mail is refused with 452, IMAP says so, nothing that was accepted is lost, and as soon as there is room
// again all goes on by itself.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { Installation } from '../server.ts'
import { Imap, message, Smtp } from '../world/talk.ts'
import { inspectBy } from './inspect.ts'
import { type Attempt, count, load } from './load.ts'
import { startSink } from './sink.ts'
import { makeSmallDisk, type SmallDisk } from './small-disk.ts'

const users = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`u${i}@posthorn.test`, 'password']))
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))

interface Full {
  readonly disk: SmallDisk
  readonly server: Installation
  readonly sink: Awaited<ReturnType<typeof startSink>>
  readonly attempts: Attempt[]
}

async function prepare(t: TestContext, megabytes: number, minimumFree: string): Promise<Full | undefined> {
  const disk = await makeSmallDisk(t, megabytes)
  if ('skip' in disk) return void t.skip(disk.skip)
  const sink = await startSink()
  t.after(async () => sink.close())
  const server = await Installation.make({
    users,
    by: disk.by,
    config: {
      data: join(disk.folder, 'data'),
      smtp: { trustedNetworks: ['127.0.0.0/8'] },
      queue: { routes: { 'relay.test': `127.0.0.1:${sink.port}` } },
      disk: { minimumFree },
      log: { level: 'warn' },
    },
  })
  t.after(() => server.remove())
  await server.start()
  return { disk, server, sink, attempts: [] }
}

/** For `ms`, and no more than the added room surely holds, however fast the machine is. */
const loadAfter = (server: Installation, ms: number) => load(server, 5, 'after', ms, undefined, 40)

/** Sends until most is refused. */
async function fill({ server, attempts }: Full): Promise<void> {
  for (let round = 0; round < 40; round++) {
    const made = await load(server, 10, `fill-${round}`, 500)
    attempts.push(...made)
    assert.ok(made.length > 0, server.output)
    if (made.filter(({ acknowledged }) => !acknowledged).length > made.length / 2) return
  }
  assert.fail('the disk did not fill up')
}

/** Refused for now, with the reason; and the server that said so is alive. */
function assertRefusedForNow({ server, attempts }: Full): void {
  const refused = attempts.filter(({ acknowledged }) => !acknowledged)
  assert.deepEqual([...new Set(refused.map(({ refusal }) => refusal!.slice(0, 10)))], ['452 4.3.1 '], server.output)
}

/** Reading goes on; what must write says NO, and why. */
async function assertImapAnswers({ server }: Full): Promise<void> {
  const imap = await Imap.open(server.ports.imap, 'u0@posthorn.test', 'password')
  const count = await imap.count()
  assert.ok(count > 0)
  assert.match(await imap.say(`FETCH ${count} (FLAGS BODY.PEEK[])`), /Subject: /)
  assert.match(await imap.say('SEARCH TEXT xxxxx'), /\* SEARCH 1 2/)
  const literal = message('appended', 'x'.repeat(60_000))
  assert.match(
    await imap.say(`APPEND INBOX {${literal.length}+}\r\n${literal}`),
    /NO \[(UNAVAILABLE|OVERQUOTA|LIMIT)\] /,
  )
  imap.close()
}

/** As many attempts as the mail that was accepted for elsewhere is sent, while nothing can be written down: not again and again. */
async function assertNoStorm({ sink, attempts }: Full): Promise<void> {
  const accepted = attempts.filter(({ acknowledged, remote }) => acknowledged && remote).length
  sink.pause(false)
  await pause(4_000)
  assert.ok(sink.ids.length <= 2 * accepted + 20, `${sink.ids.length} sent of ${accepted}`)
}

async function verify(t: TestContext, { disk, server, sink, attempts }: Full): Promise<void> {
  const waits = async () => JSON.parse(await server.cliOk('queue', 'list', '--json')).length
  for (let i = 0; i < 20 && (await waits()) > 0; i++) {
    await server.cliOk('queue', 'retry')
    await pause(200)
  }
  assert.equal(await server.stop(), 0, server.output)
  // Who inspects sweeps all contents at once, and the log of that needs room of its own.
  await disk.resize(256)
  const found = await inspectBy(disk.by, join(disk.folder, 'data'))
  assert.deepEqual(found.problems, [])
  assert.equal(found.queued, 0)
  const there = count(found.arrivals.map(({ id }) => id))
  const sent = count(sink.ids)
  const lost = attempts.filter(({ id, remote, acknowledged }) => acknowledged && !(remote ? sent : there).has(id))
  assert.deepEqual(lost, [], 'what was accepted is there')
  const twice = [...there].filter(([id, times]) => times > 1 && id !== 'appended')
  assert.deepEqual(twice, [], 'once')
  assert.deepEqual(
    attempts.filter(({ id, remote, acknowledged }) => !acknowledged && (remote ? sent : there).has(id)),
    [],
    'what was refused is not',
  )
  const again = [...sent].filter(([, times]) => times > 1).length
  t.diagnostic(`${attempts.length} attempts, ${there.size} delivered, ${sent.size} relayed, ${again} of them twice`)
}

for (const megabytes of [16, 72])
  test(`a disk of ${megabytes} MB runs full and gets room again`, async (t) => {
    const full = await prepare(t, megabytes, '0')
    if (!full) return
    const { disk, server, sink, attempts } = full
    sink.pause(true)
    await fill(full)
    assertRefusedForNow(full)
    await assertImapAnswers(full)
    await assertNoStorm(full)
    await disk.resize(megabytes * 3)
    const before = attempts.length
    attempts.push(...(await loadAfter(server, 1_000)))
    assert.ok(
      attempts.slice(before).every(({ acknowledged }) => acknowledged),
      server.output,
    )
    await verify(t, full)
  })

test('killed and started again on a full disk', async (t) => {
  const full = await prepare(t, 24, '0')
  if (!full) return
  const { disk, server, attempts } = full
  await fill(full)
  await server.stop('SIGKILL')
  // It may find room in its own log, or say why it cannot serve, and end: whoever supervises it starts it again.
  const started = await server.start().then(
    () => true,
    () => false,
  )
  if (started) await assertImapAnswers(full)
  else assert.match(server.output, /the disk of the data folder is full/)
  await server.stop('SIGKILL')
  await disk.resize(72)
  await server.start()
  attempts.push(...(await loadAfter(server, 500)))
  await verify(t, full)
})

test('below the configured line nothing is read any more', async (t) => {
  const full = await prepare(t, 64, '40M')
  if (!full) return
  const { disk, server, attempts } = full
  // Free space is asked for each second while mail comes.
  for (let round = 0; round < 60 && attempts.every(({ acknowledged }) => acknowledged); round++) {
    attempts.push(...(await load(server, 4, `slow-${round}`, 200)))
    await pause(1_000)
  }
  assertRefusedForNow(full)
  assert.ok((await disk.free()) > 0, 'the rest is not used up')
  const smtp = await Smtp.open(server.ports.smtp)
  assert.match(await smtp.say('MAIL FROM:<eve@elsewhere.test>'), /^452 4\.3\.1 /)
  smtp.close()
  await disk.resize(96)
  // And each five seconds while none does.
  await pause(6_000)
  const before = attempts.length
  attempts.push(...(await loadAfter(server, 500)))
  assert.ok(
    attempts.slice(before).every(({ acknowledged }) => acknowledged),
    server.output,
  )
  await verify(t, full)
})

test('the search index finds no room: what it has is whole, and it goes on', async (t) => {
  const disk = await makeSmallDisk(t, 6)
  if ('skip' in disk) return t.skip(disk.skip)
  const script = join(import.meta.dirname, 'fill-index.ts')
  const [command, ...args] = [...disk.by, process.execPath, script, disk.folder]
  const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const full = JSON.parse((await lines.next()).value!)
  assert.match(full.reason, /full/)
  assert.ok(full.indexed > 5)
  assert.equal(full.cursor, full.indexed, 'what could not be written is not counted')
  assert.equal(full.finds, true)
  await disk.resize(32)
  child.stdin.write('there is room\n')
  assert.deepEqual(JSON.parse((await lines.next()).value!), { cursor: full.indexed + 1, finds: true })
  child.stdin.end()
})
