// A queue on a real store with a clock that moves by hand and a network that is a table: what the queue's tests share.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAddress } from '../../address/index.ts'
import {
  type Clock,
  type ContentId,
  type FakeClock,
  fakeClock,
  type QueueId,
  silentLog,
  toId,
} from '../../base/index.ts'
import { zoneResolver } from '../../dns/index.ts'
import type { JobMap } from '../../jobs/index.ts'
import {
  type ClientOptions,
  ConnectionFault,
  type OutgoingMail,
  type Reply,
  type SmtpConnection,
} from '../../smtp/client/index.ts'
import { contentRows, openStore, type Store, sql, type Writer } from '../../store/index.ts'
import { createQueue, type NewQueueMessage, parseRoutes, type Queue, type QueueOptions } from '../index.ts'

/** `250`, `550 5.1.1 words`, `drop`: what a host answers to RCPT; by address. */
export type Answers = (address: string, ip: string) => string

export interface World {
  readonly clock: FakeClock
  readonly store: Store
  queue: Queue
  /** Every transaction sent: host, recipients, milliseconds after the start. */
  readonly sent: { readonly ip: string; readonly to: readonly string[]; readonly at: number; readonly bytes: string }[]
  readonly connections: ClientOptions[]
  answers: Answers
  /** IPs that refuse connections. */
  readonly dead: Set<string>
  /** Puts a message to these recipients; returns its number. */
  put(to: readonly string[], change?: Partial<NewQueueMessage>): Promise<QueueId>
  /** Runs until nothing is due any more. */
  settle(): Promise<void>
  advance(ms: number): Promise<void>
  /** Reports posted so far, oldest first, with their bytes. */
  posted(): Promise<{ job: JobMap['post']; text: string }[]>
  /** Another queue on the same store, as after a kill: the old one just stops being asked. */
  reopen(change?: Partial<QueueOptions>): Queue
  close(): Promise<void>
}

const zone = Array.from({ length: 9 }, (_, i) => {
  const host = `${'abcdefghi'[i]}.test`
  return `${host} MX 10 mx.${host}\n${host} MX 20 mx2.${host}\nmx.${host} A 192.0.2.${i + 1}\nmx2.${host} A 192.0.2.${i + 101}`
}).join('\n')

export async function openWorld(url: string, change: Partial<QueueOptions> = {}): Promise<World> {
  const clock = fakeClock()
  const start = clock.now()
  const data = mkdtempSync(join(tmpdir(), 'posthorn-queue-'))
  // The store's own timers would fire thousands of times while five days pass.
  const still: Clock = { ...clock, after: () => () => {} }
  const onFatal = (error: Error) => {
    throw error
  }
  const store = await openStore({ store: url, data, clock: still, log: silentLog, onFatal })
  const world: World = {
    clock,
    store,
    queue: undefined as unknown as Queue,
    sent: [],
    connections: [],
    answers: () => '250 2.0.0 ok',
    dead: new Set(),
    put: (to, more = {}) => store.write([], async (tx) => world.queue.tx.put(tx, await toMessage(tx, to, more))),
    async settle() {
      for (let quiet = 0; quiet < 3; ) {
        await new Promise((resolve) => setTimeout(resolve, url === 'sqlite' ? 2 : 15))
        const open = await store.read((tx) =>
          tx.get<{ n: number }>(
            sql`SELECT count(*) AS n FROM queue_recipient WHERE state IN ('claimed', 'ready')
                OR (state = 'waiting' AND next_at <= ${clock.now()})`,
          ),
        )
        const { inMemory } = await world.queue.admin.stats()
        quiet = Number(open?.n) === 0 && inMemory === 0 ? quiet + 1 : 0
      }
    },
    async advance(ms) {
      await clock.advance(ms)
      await world.settle()
    },
    async posted() {
      const rows = await store.read((tx) =>
        tx.all<{ payload: string; data: Uint8Array }>(
          sql`SELECT job.payload, d.data FROM job JOIN content_data d ON d.content = job.content WHERE job.name = 'post' ORDER BY job.id LIMIT 100`,
        ),
      )
      return rows.map(({ payload, data }) => ({ job: JSON.parse(payload), text: Buffer.from(data).toString() }))
    },
    reopen(more = {}) {
      const connect = (options: ClientOptions) => connectTo(world, start, options)
      const base = {
        store,
        clock,
        log: silentLog,
        dns: zoneResolver(zone),
        connect,
        routes: parseRoutes({}),
        putContent,
      }
      return createQueue({ ...base, hostname: 'us.test', ...change, ...more })
    },
    async close() {
      await world.queue.stop(0)
      await store.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
  world.queue = world.reopen()
  return world
}

let serial = 0
async function toMessage(tx: Writer, to: readonly string[], more: Partial<NewQueueMessage>): Promise<NewQueueMessage> {
  const bytes = Buffer.from(
    `From: Ann <ann@us.test>\r\nTo: somebody\r\nSubject: =?utf-8?q?Caf=C3=A9?= on Friday\r\nMessage-ID: <${++serial}@us.test>\r\n\r\nHow about three?\r\n`,
  )
  const recipients = to.map((text) => ({ address: parseAddress(text)!, kind: 'remote' as const }))
  const facts = { sender: parseAddress('ann@us.test')!, utf8: false, body8: false, prefix: Buffer.alloc(0) }
  return { content: await putContent(tx, bytes), size: bytes.length, ...facts, recipients, ...more }
}

export async function putContent(tx: Writer, bytes: Buffer): Promise<ContentId> {
  const none = {
    structure: '{}',
    envelope: '()',
    bodystructure: '()',
    baseSubject: '',
    sortFrom: '',
    sortTo: '',
    sortCc: '',
  }
  const texts = { displayFrom: '', displayTo: '', subject: '', from: '', to: '', cc: '', bcc: '', preview: '' }
  const id = await contentRows.insert(tx, {
    ...none,
    ...texts,
    hash: createHash('sha256').update(bytes).digest(),
    size: bytes.length,
    file: null,
    data: bytes,
    messageId: null,
    has8bit: false,
    literalEnd: null,
    refs: '',
    sentAt: null,
    hasAttachment: false,
  })
  return toId<ContentId>(id!)
}

function toReply(text: string): Reply {
  const [code = '', ...words] = text.split(' ')
  const enhanced = words[0]?.split('.').length === 3 ? words.shift() : undefined
  return { code: Number(code), ...(enhanced && { enhanced }), lines: [words.join(' ')] }
}

async function connectTo(world: World, start: number, options: ClientOptions): Promise<SmtpConnection> {
  world.connections.push(options)
  if (world.dead.has(options.ip)) throw new ConnectionFault('connect', 'cannot connect (ECONNREFUSED)')
  return {
    extensions: new Map(),
    async send(mail: OutgoingMail) {
      const to = mail.recipients.map(({ address }) => `${address.local}@${address.domain}`)
      const replies = to.map((address) => world.answers(address, options.ip))
      if (replies.includes('drop')) throw new ConnectionFault('rcpt', 'the connection broke')
      let bytes = ''
      if (replies.some((text) => text.startsWith('2'))) for await (const chunk of mail.data()) bytes += chunk
      world.sent.push({ ip: options.ip, to, at: world.clock.now() - start, bytes })
      return replies.map((text) => ({ reply: toReply(text), accepted: text.startsWith('2'), stage: 'rcpt' as const }))
    },
    quit: async () => {},
    close() {},
  }
}
