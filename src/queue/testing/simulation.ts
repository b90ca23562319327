// A world of mail servers of all tempers on a clock of its own: the real queue on a real store sends to them, and hours pass in
// seconds. Time moves only when the queue and its store have nothing left to do.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAddress } from '../../address/index.ts'
import { type Clock, type ContentId, silentLog } from '../../base/index.ts'
import type { Answer, Resolver } from '../../dns/index.ts'
import { type ClientOptions, ConnectionFault, type OutgoingMail, type SmtpConnection } from '../../smtp/client/index.ts'
import { openStore, type Store } from '../../store/index.ts'
import { createQueue, parseRoutes, type Queue, type QueueOptions } from '../index.ts'
import { putContent } from './world.ts'

/** How the server of a domain behaves. Times in milliseconds. */
export interface Temper {
  /** Until it greets, and for each message. */
  readonly connect: number
  readonly serve: number
  /** Connections refused, or swallowed until we give up. */
  readonly dead?: 'refused' | 'silent'
  /** Alive again after so long. */
  readonly deadUntil?: number
  /** Each recipient is put off until so long after his first attempt. */
  readonly greylist?: number
  /** Connections at once; more are turned away. */
  readonly most?: number
  /** Addresses of ours that are turned away. */
  readonly blocks?: readonly string[]
  /** Messages in a minute; more are put off. */
  readonly perMinute?: number
}

export interface SimHost {
  readonly domain: string
  readonly temper: Temper
  active: number
  /** The most that ever was. */
  peak: number
  connections: number
  delivered: number
  /** Messages in the minute that runs. */
  minute: { at: number; count: number }
}

export interface Delivery {
  readonly to: string
  readonly from: string
  readonly at: number
  readonly source: string
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

export interface Simulation {
  readonly queue: Queue
  readonly store: Store
  readonly clock: Clock
  readonly hosts: ReadonlyMap<string, SimHost>
  /** Milliseconds since it began. */
  now(): number
  /** One host for each of these domains. */
  add(domains: readonly string[], temper: Temper): void
  /** Messages of one sender, one recipient each. */
  put(from: string, to: readonly string[], more?: { readonly priority?: number }): Promise<void>
  /** Runs until `done` or `limit`. */
  run(limit: number, done?: () => boolean): Promise<void>
  /** What was delivered; only counted when there is no listener. */
  onDelivery: ((delivery: Delivery) => void) | undefined
  /** Sets the wall clock, as somebody does. */
  jump(ms: number): void
  close(): Promise<void>
}

const step = 10

export async function openSimulation(options: Partial<QueueOptions> = {}): Promise<Simulation> {
  const data = mkdtempSync(join(tmpdir(), 'posthorn-simulation-'))
  const start = 1_800_000_000_000
  let elapsed = 0
  let jumped = 0
  let order = 0
  const timers: Timer[] = []
  const clock: Clock = {
    now: () => start + elapsed + jumped,
    monotonic: () => elapsed,
    after(ms, run) {
      const at = Math.ceil((elapsed + Math.max(0, ms)) / step) * step
      const timer: Timer = { at, order: order++, run, cancelled: false }
      push(timers, timer)
      return () => {
        timer.cancelled = true
      }
    },
  }
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
  const still: Clock = { ...clock, after: () => () => {} }
  const onFatal = (error: Error) => {
    throw error
  }
  const real = await openStore({ store: 'sqlite', data, clock: still, log: silentLog, onFatal })
  let pending = 0
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    pending++
    try {
      return await work
    } finally {
      pending--
    }
  }
  const store: Store = {
    ...real,
    read: (work) => counted(real.read(work)),
    // Nothing here survives the test: syncs would only take time.
    write: (scope, work) => counted(real.write(scope, work, { durable: false })),
  }
  const hosts = new Map<string, SimHost>()
  const seen = new Map<string, number>()
  const sim: Simulation = {
    queue: undefined as unknown as Queue,
    store,
    clock,
    hosts,
    now: () => elapsed,
    onDelivery: undefined,
    add(domains, temper) {
      for (const domain of domains)
        hosts.set(domain, {
          domain,
          temper,
          active: 0,
          peak: 0,
          connections: 0,
          delivered: 0,
          minute: { at: 0, count: 0 },
        })
    },
    async put(from, to, more = {}) {
      const sender = parseAddress(from)!
      content ??= await store.write([], (tx) => putContent(tx, Buffer.from('Subject: x\r\n\r\nx\r\n')))
      for (let at = 0; at < to.length; at += 100)
        await Promise.all(
          to.slice(at, at + 100).map((address) =>
            store.write(
              [],
              (tx) =>
                sim.queue.tx.put(tx, {
                  content: content!,
                  size: 20,
                  prefix: Buffer.alloc(0),
                  sender,
                  utf8: false,
                  body8: false,
                  ...(more.priority !== undefined && { params: { priority: more.priority } }),
                  recipients: [{ address: parseAddress(address)!, kind: 'remote' }],
                }),
              { durable: false },
            ),
          ),
        )
    },
    async run(limit, done = () => false) {
      const end = elapsed + limit
      for (;;) {
        await quiet()
        if (done()) return
        const next = timers[0]
        if (!next || next.at > end) break
        elapsed = Math.max(elapsed, next.at)
        while (timers[0] && timers[0].at <= elapsed) {
          const timer = pop(timers)!
          if (!timer.cancelled) timer.run()
        }
      }
      elapsed = end
    },
    jump(ms) {
      jumped += ms
    },
    async close() {
      const stopping = sim.queue.stop(0)
      await sim.run(1_000)
      await stopping
      await real.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
  let content: ContentId | undefined
  const quiet = async () => {
    for (let calm = 0; calm < 3; ) {
      await new Promise((resolve) => setImmediate(resolve))
      calm = pending === 0 ? calm + 1 : 0
    }
  }
  const connect = async (client: ClientOptions): Promise<SmtpConnection> => {
    const host = hosts.get(client.host.slice('mx.'.length))!
    const { temper } = host
    const source = client.localAddress ?? ''
    host.connections++
    if (temper.dead && elapsed < (temper.deadUntil ?? Number.POSITIVE_INFINITY)) {
      await sleep(temper.dead === 'silent' ? 30_000 : temper.connect)
      throw new ConnectionFault('connect', `cannot connect to ${client.ip} port 25 (${temper.dead})`)
    }
    await sleep(temper.connect)
    const refuse = (code: number, enhanced: string, text: string) =>
      new ConnectionFault('greeting', 'the server refused the connection', { code, enhanced, lines: [text] })
    if (temper.blocks?.includes(source)) throw refuse(554, '5.7.1', `${source} is blocked, see your reputation`)
    if (temper.most !== undefined && host.active >= temper.most) throw refuse(421, '4.3.2', 'too many connections')
    host.active++
    host.peak = Math.max(host.peak, host.active)
    let open = true
    const close = () => {
      if (open) host.active--
      open = false
    }
    return {
      extensions: new Map(),
      send: (mail) => serve(host, mail, source),
      quit: async () => close(),
      close,
    }
  }
  const serve = async (host: SimHost, mail: OutgoingMail, source: string) => {
    const { temper } = host
    await sleep(temper.serve)
    return mail.recipients.map(({ address }) => {
      const to = `${address.local}@${address.domain}`
      const refused = refusal(host, to)
      if (refused) return { reply: refused, accepted: false, stage: 'rcpt' as const }
      host.delivered++
      const from = mail.from ? `${mail.from.local}@${mail.from.domain}` : ''
      sim.onDelivery?.({ to, from, at: elapsed, source })
      return { reply: { code: 250, lines: ['ok'] }, accepted: true, stage: 'data' as const }
    })
  }
  const refusal = ({ temper, minute }: SimHost, to: string) => {
    if (temper.greylist !== undefined) {
      const first = seen.get(to) ?? elapsed
      seen.set(to, first)
      if (elapsed - first < temper.greylist)
        return { code: 451, enhanced: '4.7.1', lines: ['Greylisted, please try again later'] }
    }
    if (temper.perMinute !== undefined) {
      if (elapsed - minute.at >= 60_000) Object.assign(minute, { at: elapsed, count: 0 })
      if (++minute.count > temper.perMinute)
        return { code: 450, enhanced: '4.7.28', lines: ['rate limit exceeded, slow down'] }
    }
    return undefined
  }
  const queue = createQueue({
    store,
    clock,
    log: silentLog,
    dns: resolver(hosts),
    connect,
    routes: parseRoutes({}),
    putContent,
    hostname: 'us.test',
    ...options,
  })
  Object.assign(sim, { queue })
  return sim
}

function resolver(hosts: ReadonlyMap<string, SimHost>): Resolver {
  const none = async (): Promise<Answer<never>> => ({ status: 'nodata', authentic: false })
  const ok = <T>(record: T): Answer<T> => ({ status: 'ok', records: [record], ttl: 300, authentic: false })
  return {
    mx: async (name) =>
      hosts.has(name) ? ok({ preference: 10, exchange: `mx.${name}` }) : { status: 'nxdomain', authentic: false },
    a: async (name) => ok(name.startsWith('mx.') ? '192.0.2.1' : '192.0.2.2'),
    aaaa: none,
    txt: none,
    ptr: none,
    srv: none,
    tlsa: none,
    close() {},
  }
}

/** A heap by time, and by order within a time. */
function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    if (!before(timer, heap[up]!)) break
    heap[at] = heap[up]!
    at = up
  }
  heap[at] = timer
}

function pop(heap: Timer[]): Timer | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (!top || !last || heap.length === 0) return top
  let at = 0
  for (;;) {
    let down = at * 2 + 1
    if (down >= heap.length) break
    if (down + 1 < heap.length && before(heap[down + 1]!, heap[down]!)) down++
    if (!before(heap[down]!, last)) break
    heap[at] = heap[down]!
    at = down
  }
  heap[at] = last
  return top
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
