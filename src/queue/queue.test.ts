// Every test on SQLite and on PostgreSQL; time moves by hand, the network is a table.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { databases } from '../../test/stores.ts'
import { parseAddress } from '../address/index.ts'
import { type AccountId, isFault, toId } from '../base/index.ts'
import { metaRows, sql } from '../store/index.ts'
import { parseRoutes } from './route.ts'
import { onWorld } from './testing/on-world.ts'
import type { World } from './testing/world.ts'

const minute = 60_000
const hour = 60 * minute
for (const dialect of databases)
  describe(`the queue on ${dialect}`, () => {
    let world: World
    const run = (name: string, work: () => Promise<void>) =>
      onWorld(dialect, name, (made) => {
        world = made
        return work()
      })
    const rows = async () => (await world.queue.admin.list()).flatMap(({ recipients }) => recipients)

    run('sends at once after the commit, with the prefix in front, and forgets', async () => {
      await world.queue.start()
      await world.put(['bob@a.test'], { prefix: Buffer.from('Received: by us\r\n') })
      await world.settle()
      assert.equal(world.sent.length, 1)
      assert.ok(world.sent[0]?.bytes.startsWith('Received: by us\r\nFrom: Ann'))
      assert.deepEqual(await world.queue.admin.list(), [])
      assert.deepEqual(await world.posted(), [])
    })

    run('keeps what is put before it starts', async () => {
      await world.put(['bob@a.test'])
      assert.equal(world.sent.length, 0)
      await world.queue.start()
      await world.settle()
      assert.equal(world.sent.length, 1)
    })

    run('sends nothing of a transaction that fails', async () => {
      await world.queue.start()
      const failing = world.store.write([], async (tx) => {
        await world.queue.tx.put(tx, {
          content: toId(1),
          size: 1,
          prefix: Buffer.alloc(0),
          sender: null,
          utf8: false,
          body8: false,
          recipients: [{ address: parseAddress('x@a.test')!, kind: 'remote' }],
        })
        throw new Error('no')
      })
      await assert.rejects(failing, /no/)
      await world.settle()
      assert.equal(world.connections.length, 0)
    })

    run('one transaction per destination, one connection for one after the other', async () => {
      await world.queue.start()
      await world.put(['bob@a.test', 'eve@b.test', 'ann@a.test'])
      await world.settle()
      assert.deepEqual(world.sent.map(({ to }) => to).sort(), [['bob@a.test', 'ann@a.test'], ['eve@b.test']])
      await world.put(['joe@a.test'])
      await world.settle()
      assert.equal(world.connections.length, 2)
      world.queue.reconfigure({ routes: parseRoutes({ '*': '127.0.0.1:2626' }) })
      await world.put(['bob@a.test', 'eve@b.test'])
      await world.settle()
      assert.deepEqual(world.sent.at(-1)?.to, ['bob@a.test', 'eve@b.test'])
      assert.equal(world.connections.at(-1)?.port, 2626)
    })

    run('another schedule holds from the next attempt on, another number of places at once', async () => {
      await world.queue.stop(0)
      let open = 0
      let go = () => {}
      const gate = new Promise<void>((resolve) => {
        go = resolve
      })
      world.queue = world.reopen({
        concurrency: { total: 1 },
        connect: async () => {
          open++
          await gate
          throw new Error('nobody there')
        },
      })
      await world.queue.start()
      await world.put(['bob@a.test', 'eve@b.test', 'ann@c.test'])
      const opened = async (wanted: number) => {
        for (let i = 0; i < 500 && open < wanted; i++) await new Promise((resolve) => setTimeout(resolve, 2))
        return open
      }
      assert.equal(await opened(1), 1)
      const schedule = { retries: [7 * hour], every: hour, lifetime: 8 * hour, delayNotice: hour }
      world.queue.reconfigure({ schedule, concurrency: { total: 6 } })
      assert.equal(await opened(3), 3)
      go()
      await world.settle()
      assert.deepEqual(
        (await rows()).map(({ nextAt }) => Math.round((nextAt - world.clock.now()) / hour)),
        [7, 7, 7],
      )
    })

    run('retries on schedule for five days, tells of the delay once, then returns the message', async () => {
      world.answers = () => '451 4.7.1 come back later'
      await world.queue.start()
      await world.put(['bob@a.test'], { account: toId<AccountId>(1) })
      await world.settle()
      const notices: number[] = []
      for (let i = 0; i < 20; i++) {
        const [next] = await rows()
        const before = (await world.posted()).length
        if (!next) break
        await world.advance(next.nextAt - world.clock.now())
        if ((await world.posted()).length > before) notices.push(world.sent.at(-1)!.at / hour)
      }
      const minutes = world.sent.map(({ at }) => at / minute)
      assert.deepEqual(minutes, [0, 5, 15, 30, 60, 120, 240, 480, 960, 1440, 2880, 4320, 5760, 7200])
      assert.deepEqual(notices, [4, 120])
      const [delayed, failed] = await world.posted()
      assert.deepEqual([delayed?.job.from, delayed?.job.to], [null, ['ann@us.test']])
      for (const words of ['Action: delayed', 'Status: 4.7.1', 'Remote-MTA: dns; mx.a.test', 'Will-Retry-Until: '])
        assert.ok(delayed?.text.includes(words), words)
      for (const words of [
        'Action: failed',
        'Final-Recipient: rfc822; bob@a.test',
        'smtp; 451 4.7.1 come back later',
        '5 days',
      ])
        assert.ok(failed?.text.includes(words), `${words} in\n${failed?.text}`)
      assert.deepEqual(await rows(), [])
    })

    run('some are accepted, some refused, some put off; the refused share one report', async () => {
      world.answers = (to) =>
        to.startsWith('no') ? '550 5.1.1 no such user' : to.startsWith('wait') ? '450 4.2.0 busy' : '250 2.1.5 ok'
      await world.queue.start()
      await world.put(['yes@a.test', 'no1@a.test', 'wait@a.test', 'no2@b.test'])
      await world.settle()
      const reports = await world.posted()
      assert.equal(reports.length, 1)
      for (const address of ['no1@a.test', 'no2@b.test']) assert.ok(reports[0]?.text.includes(`rfc822; ${address}`))
      assert.ok(!reports[0]?.text.includes('wait@a.test'))
      assert.deepEqual(
        (await rows()).map(({ address, attempts, reason }) => ({ address, attempts, reason })),
        [{ address: 'wait@a.test', attempts: 1, reason: '450 4.2.0 busy' }],
      )
    })

    run('a null sender never gets a report: the postmaster does, and of his own mail nobody', async () => {
      world.answers = () => '550 5.1.1 no'
      await world.queue.start()
      await world.put(['bob@a.test'], { sender: null })
      await world.settle()
      const reports = await world.posted()
      assert.deepEqual(
        reports.map(({ job }) => job.to),
        [['postmaster@us.test']],
      )
      await world.put(['postmaster@a.test'], { sender: null })
      await world.settle()
      assert.equal((await world.posted()).length, 1)
      assert.deepEqual(await rows(), [])
    })

    run('returns the whole message to who asks for it, unless it was to travel by TLS only or is no text', async () => {
      world.answers = () => '550 5.1.1 no'
      await world.queue.start()
      for (const params of [
        { ret: 'full' },
        { ret: 'full', requireTls: true },
        { ret: 'full', binary: true },
      ] as const) {
        await world.put(['bob@a.test'], { params })
        // One after the other: reports of one moment have no order.
        await world.settle()
      }
      const kinds = (await world.posted()).map(({ text }) => text.includes('Content-Type: message/rfc822'))
      assert.deepEqual(kinds, [true, false, false])
    })

    run('addresses beyond ASCII and hostile replies stand in a report that holds together', async () => {
      world.answers = () => '550 5.1.1 no\r\nBcc: all@a.test\0 gr\u00fc\u00df dich'
      await world.queue.start()
      await world.put(['jörg@a.test'], { utf8: true })
      await world.settle()
      const [report] = await world.posted()
      // The reader's own address is ASCII: the report asks nothing of the servers on its way.
      assert.equal(report?.job.utf8, false)
      assert.ok(report?.text.includes('Final-Recipient: utf-8; j\\x{F6}rg@a.test'), report?.text)
      assert.ok(!report?.text.includes('\nBcc:') && !report?.text.includes('\0'))
      await world.put(['jörg@a.test'], { utf8: true, sender: parseAddress('änn@us.test')! })
      await world.settle()
      const [, second] = await world.posted()
      assert.equal(second?.job.utf8, true)
      assert.ok(second?.text.includes('Final-Recipient: utf-8; jörg@a.test'), second?.text)
    })

    run('NOTIFY=NEVER is kept', async () => {
      world.answers = () => '550 5.1.1 no'
      await world.queue.start()
      await world.put([], {
        recipients: [{ address: parseAddress('bob@a.test')!, kind: 'remote', params: { notify: [] } }],
      })
      await world.settle()
      assert.deepEqual(await world.posted(), [])
      assert.deepEqual(await rows(), [])
    })

    run('a dead host is passed over; when all are dead the message waits and others are not held up', async () => {
      world.dead.add('192.0.2.1').add('192.0.2.2').add('192.0.2.102')
      await world.queue.start()
      await world.put(['bob@a.test', 'bob@b.test'])
      await world.settle()
      assert.deepEqual(
        world.sent.map(({ ip }) => ip),
        ['192.0.2.101'],
      )
      const [waiting] = await rows()
      assert.equal(waiting?.address, 'bob@b.test')
      assert.match(waiting?.reason ?? '', /cannot connect.*ECONNREFUSED/)
      // The window was 5, then 2, 1 and 0.
      for (const name of ['ann', 'eve']) {
        await world.put([`${name}@b.test`])
        await world.settle()
      }
      const tried = world.connections.length
      assert.equal(tried, 8)
      await world.put(['joe@b.test'])
      await world.settle()
      assert.equal(world.connections.length, tried, 'a destination known to be dead is not knocked at again at once')
    })

    run('a connection that stood idle and broke is replaced, not counted', async () => {
      let drops = 0
      await world.queue.start()
      await world.put(['bob@a.test'])
      await world.settle()
      world.answers = () => (drops++ === 0 ? 'drop' : '250 ok')
      await world.put(['ann@a.test'])
      await world.settle()
      assert.equal(world.sent.length, 2)
      assert.deepEqual(await rows(), [])
    })

    run('an unknown domain is returned at once', async () => {
      await world.queue.start()
      await world.put(['bob@typo.invalid'])
      await world.settle()
      const [report] = await world.posted()
      assert.ok(report?.text.includes('Status: 5.1.2'))
      assert.ok(!report?.text.includes('Remote-MTA'))
    })

    run('claims of a process that died are void, those of a living one hold', async () => {
      const id = await world.put(['bob@a.test'])
      await world.store.write([], async (tx) => {
        await tx.run(sql`UPDATE queue_recipient SET state = 'claimed', owner = 'dead' WHERE message = ${id}`)
      })
      if (dialect === 'postgres') {
        const other = await world.put(['eve@a.test'])
        await world.store.write([], async (tx) => {
          await metaRows.beat(tx, 'alive')
          await tx.run(sql`UPDATE queue_recipient SET state = 'claimed', owner = 'alive' WHERE message = ${other}`)
        })
      }
      await world.queue.start()
      const left = dialect === 'postgres' ? 1 : 0
      for (let i = 0; i < 100 && (world.sent.length === 0 || (await rows()).length > left); i++)
        await new Promise((resolve) => setTimeout(resolve, 10))
      assert.deepEqual(
        world.sent.map(({ to }) => to),
        [['bob@a.test']],
      )
      if (dialect === 'postgres') {
        assert.deepEqual(
          (await rows()).map(({ state }) => state),
          ['claimed'],
        )
        await world.store.write([], async (tx) => void (await tx.run(sql`DELETE FROM queue_recipient`)))
      }
    })

    run('two queues on one store send each message once', async () => {
      // The lock of the data folder lets only one process write on SQLite, and that keeps its claims in memory.
      if (dialect === 'sqlite') return
      for (let i = 0; i < 40; i++) await world.put([`u${i}@${'abcdefgh'[i % 8]}.test`])
      const other = world.reopen()
      await Promise.all([world.queue.start(), other.start()])
      await world.settle()
      const to = world.sent.flatMap((one) => one.to)
      assert.equal(to.length, 40)
      assert.equal(new Set(to).size, 40)
      await other.stop(0)
    })

    run('stopping lets what is in flight end and gives back the rest', async () => {
      let go = () => {}
      const gate = new Promise<void>((resolve) => {
        go = resolve
      })
      await world.queue.stop(0)
      let sends = 0
      world.queue = world.reopen({
        concurrency: { total: 1 },
        connect: async () => ({
          extensions: new Map(),
          async send(mail) {
            sends++
            await gate
            return mail.recipients.map(() => ({
              reply: { code: 250, lines: ['ok'] },
              accepted: true,
              stage: 'data' as const,
            }))
          },
          quit: async () => {},
          close() {},
        }),
      })
      await world.queue.start()
      await world.put(['bob@a.test'])
      for (let i = 0; i < 100 && sends === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5))
      await world.put(['bob@b.test'])
      const stopped = world.queue.stop(30_000)
      go()
      await stopped
      assert.equal(sends, 1)
      assert.deepEqual(
        (await rows()).map(({ address, state }) => [address, state]),
        [['bob@b.test', 'ready']],
      )
    })

    run('hold, release, retry, remove and show', async () => {
      const { admin } = world.queue
      world.answers = () => '451 4.3.0 later'
      await world.queue.start()
      const id = await world.put(['bob@a.test', 'eve@a.test'])
      await world.settle()
      assert.equal(await admin.hold(id), 2)
      assert.equal(await admin.retry(), 0)
      await world.advance(10 * minute)
      assert.equal(world.sent.length, 1)
      const { messages, recipients, waiting, ready, held, oldestDueMs, inMemory } = await admin.stats()
      assert.deepEqual([messages, recipients, waiting, ready, held, oldestDueMs, inMemory], [1, 2, 0, 0, 2, 0, 0])
      world.answers = (to) => (to.startsWith('bob') ? '250 ok' : '451 4.3.0 later')
      assert.equal(await admin.release(id), 2)
      await world.settle()
      assert.equal((await rows()).length, 1)
      const shown = await admin.show(id)
      assert.match(shown.header, /^From: Ann/)
      assert.ok(!shown.header.includes('three'))
      assert.equal(await admin.retry(id), 1)
      await world.settle()
      assert.equal(world.sent.length, 3)
      assert.equal(await admin.remove(id, { bounce: true }), 1)
      const [report] = await world.posted()
      assert.ok(report?.text.includes('removed from the queue by an administrator'))
      assert.deepEqual(await rows(), [])
      for (const act of ['show', 'hold', 'release', 'remove', 'retry'] as const)
        await assert.rejects(admin[act](id), (error) => isFault(error, 'not-found'))
    })

    run('a copy for a full mailbox goes back to the mailbox on the same schedule', async () => {
      const tries: number[] = []
      const account = await world.store.write('server', async (tx) => {
        await tx.run(sql`INSERT INTO domain (name, created_at) VALUES ('us.test', 0)`)
        const made = await tx.get<{ id: AccountId }>(
          sql`INSERT INTO account (domain, local, created_at) SELECT id, 'joe', 0 FROM domain RETURNING id`,
        )
        return made!.id
      })
      await world.queue.stop(0)
      world.queue = world.reopen({
        local: {
          find: async ({ address }) => (address.local === 'joe' ? account : undefined),
          async deliver() {
            tries.push(world.clock.now())
            return tries.length < 3 ? { retry: '452 4.2.2 the mailbox is full' } : 'delivered'
          },
        },
      })
      const start = world.clock.now()
      await world.queue.start()
      const local = (text: string, reason?: string) => ({
        address: parseAddress(text)!,
        kind: 'local' as const,
        reason,
      })
      await world.put([], { recipients: [local('joe@us.test', 'full'), local('gone@us.test')] })
      await world.settle()
      const [report] = await world.posted()
      assert.ok(report?.text.includes('gone@us.test') && report.text.includes('Status: 5.1.1'))
      assert.equal(tries.length, 0)
      for (let i = 0; i < 3; i++) await world.advance((await rows())[0]!.nextAt - world.clock.now())
      assert.deepEqual(
        tries.map((at) => (at - start) / minute),
        [5, 15, 30],
      )
      assert.deepEqual(await rows(), [])
    })

    run('says when it stalls', async () => {
      assert.match(world.queue.stalled() ?? '', /not running/)
      await world.queue.start()
      await world.settle()
      assert.equal(world.queue.stalled(), undefined)
    })
  })
