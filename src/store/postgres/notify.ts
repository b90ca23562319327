// The bell between processes: NOTIFY and LISTEN on a connection of its own. Rings may be lost; they are only latency.

import pg from 'pg'
import type { AccountId, Clock, Log } from '../../base/index.ts'
import type { Ring, Topic } from '../types.ts'
import { connectionOptions } from './connection.ts'

const channel = 'posthorn'
/** PostgreSQL takes 8,000 bytes: 200 pairs of two numbers of at most 16 digits stay below. */
const perNotice = 200
/** While the connection is away so many accounts are remembered; the others are found by polling. */
const maxPending = 10_000
const reconnectMs = 1_000

export interface Notifier {
  /** Tells the other processes; many rings become few notices. */
  send(rings: readonly Ring[]): void
  close(): Promise<void>
}

/** Connects, and again whenever the connection is lost. `hear` gets the rings of other processes. */
export async function startNotifier(
  url: string,
  clock: Clock,
  log: Log,
  hear: (rings: readonly Ring[]) => void,
): Promise<Notifier> {
  const accounts = new Map<AccountId, number>()
  const topics = new Set<Topic>()
  let client: pg.Client | undefined
  let sending = false
  let closed = false

  const connect = async () => {
    const next = new pg.Client(connectionOptions(url))
    let pid = 0
    next.on('notification', ({ processId, payload }) => {
      if (processId !== pid && payload) hear(parseNotice(payload))
    })
    next.on('error', (error) => log.warn({ err: error }, 'the connection of the bell was lost'))
    next.on('end', () => {
      if (client === next) client = undefined
      if (!closed) clock.after(reconnectMs, () => void reconnect())
    })
    await next.connect()
    const { rows } = await next.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    pid = rows[0]!.pid
    await next.query(`LISTEN ${channel}`)
    client = next
    void flush()
  }
  const reconnect = async () => {
    if (closed) return
    await connect().catch((error: unknown) => log.warn({ err: error }, 'the bell cannot reach PostgreSQL'))
  }
  const flush = async () => {
    if (sending || !client) return
    sending = true
    try {
      while (client && (accounts.size > 0 || topics.size > 0))
        await client.query({ name: 'notify', text: 'SELECT pg_notify($1, $2)', values: [channel, takeNotice()] })
    } catch (error) {
      log.warn({ err: error }, 'a ring of the bell was lost')
    } finally {
      sending = false
    }
  }
  const takeNotice = (): string => {
    const notice: Notice = { accounts: [...accounts].slice(0, perNotice), topics: [...topics] }
    for (const [account] of notice.accounts) accounts.delete(account)
    topics.clear()
    return JSON.stringify(notice)
  }

  await connect()
  return {
    send(rings) {
      for (const ring of rings) {
        if ('topic' in ring) topics.add(ring.topic)
        else if (accounts.size < maxPending || accounts.has(ring.account))
          accounts.set(ring.account, Math.max(ring.modseq, accounts.get(ring.account) ?? 0))
      }
      // A turn later: rings of one turn travel together.
      setImmediate(() => void flush())
    },
    async close() {
      closed = true
      await client?.end()
    },
  }
}

interface Notice {
  readonly accounts: readonly (readonly [AccountId, number])[]
  readonly topics: readonly Topic[]
}

function parseNotice(payload: string): Ring[] {
  const { accounts, topics } = JSON.parse(payload) as Notice
  return [...accounts.map(([account, modseq]) => ({ account, modseq })), ...topics.map((topic) => ({ topic }))]
}
