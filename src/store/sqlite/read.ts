// Reads, each a snapshot on a connection that never writes. Usually one connection serves a thread, one read after the
// other; a read that awaits something slow gets company, up to a few.

import { type Clock, Fault, type Log } from '../../base/index.ts'
import type { Reader } from '../types.ts'
import { Connection } from './connection.ts'

const maxConnections = 4
const cacheKiB = 8_192
/** A snapshot pins the WAL: from here on it is worth a line in the log. */
const slowMs = 250

export class ReadPool {
  readonly #path: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #all: Connection[] = []
  readonly #free: Connection[] = []
  #waiting: ((connection: Connection) => void)[] = []
  #growing = false
  #closed = false

  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path
    this.#clock = clock
    this.#log = log
    this.#grow()
  }

  async read<T>(work: (tx: Reader) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Fault('unavailable', 'the store is closed')
    const connection = this.#free.pop() ?? (await this.#wait())
    const start = this.#clock.monotonic()
    try {
      connection.control('BEGIN')
      return await work(connection)
    } finally {
      if (connection.inTransaction) connection.control('COMMIT')
      const took = this.#clock.monotonic() - start
      if (took > slowMs) this.#log.warn({ ms: Math.round(took) }, 'a read held its snapshot too long')
      this.#release(connection)
    }
  }

  /** Counted by each connection for itself: told by the one that reads next. */
  version(): string | undefined {
    const connection = this.#free.at(-1)
    return connection && `${this.#all.indexOf(connection)}.${connection.version()}`
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#free.splice(0)) connection.close()
  }

  #wait(): Promise<Connection> {
    this.#growSoon()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #release(connection: Connection): void {
    const next = this.#waiting.shift()
    if (next) next(connection)
    else if (this.#closed) connection.close()
    else this.#free.push(connection)
  }

  /** A read that awaits only its tx is over before the loop turns; who still waits then, waits for a slow one. */
  #growSoon(): void {
    if (this.#growing || this.#all.length >= maxConnections) return
    this.#growing = true
    setImmediate(() => {
      this.#growing = false
      if (this.#waiting.length === 0) return
      this.#grow()
      this.#release(this.#free.pop()!)
      if (this.#waiting.length > 0) this.#growSoon()
    })
  }

  #grow(): void {
    const connection = new Connection(this.#path, { readOnly: true, cacheKiB })
    this.#all.push(connection)
    this.#free.push(connection)
  }
}
