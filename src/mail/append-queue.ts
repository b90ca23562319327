// APPENDs that arrive for one mailbox before their transaction begins share it: an import pays for counters, flag block and change row
// once for many messages. Each keeps its own outcome.

import type { Access, AppendItem } from './types.ts'

/** Messages of one transaction: they take a few milliseconds. */
const maxItems = 64

export interface Appended {
  readonly uidValidity: number
  readonly uids: number[]
  readonly modseq: number
}

interface Call {
  readonly items: readonly AppendItem[]
  readonly resolve: (done: Appended) => void
  readonly reject: (error: unknown) => void
}

/** Writes the items in one transaction; `items` is asked for when it begins, and again if it has to begin anew. */
export type WriteItems = (to: Access, items: () => readonly AppendItem[]) => Promise<Appended>

export class AppendQueue {
  readonly #write: WriteItems
  /** Calls whose transaction has not begun, by mailbox and who asks: his rights are looked up once. */
  readonly #open = new Map<string, Call[]>()

  constructor(write: WriteItems) {
    this.#write = write
  }

  append(to: Access, items: readonly AppendItem[]): Promise<Appended> {
    return new Promise((resolve, reject) => {
      const call = { items, resolve, reject }
      const key = keyOf(to)
      const open = this.#open.get(key)
      if (open && count(open) + items.length <= maxItems) {
        open.push(call)
        return
      }
      const calls = [call]
      this.#open.set(key, calls)
      void this.#commit(to, calls)
    })
  }

  async #commit(to: Access, calls: readonly Call[]): Promise<void> {
    const close = () => {
      if (this.#open.get(keyOf(to)) === calls) this.#open.delete(keyOf(to))
      return calls.flatMap(({ items }) => items)
    }
    try {
      const { uids, ...done } = await this.#write(to, close)
      let at = 0
      for (const { items, resolve } of calls) resolve({ ...done, uids: uids.slice(at, (at += items.length)) })
    } catch (error) {
      close()
      if (calls.length === 1) calls[0]!.reject(error)
      // What one may not do, the others may: each for itself.
      else for (const call of calls) void this.#commit(to, [call])
    }
  }
}

const keyOf = ({ actor, mailbox }: Access) => `${actor} ${mailbox}`

const count = (calls: readonly Call[]): number => calls.reduce((sum, { items }) => sum + items.length, 0)
