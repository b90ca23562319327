// APPENDs that arrive for one mailbox before their transaction begins share it: an import pays for counters, flag block and change row
// once for many messages. Each keeps its own outcome.

import type { AccountId, MailboxId } from '../base/index.ts'
import type { AppendItem } from './types.ts'

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
export type WriteItems = (
  account: AccountId,
  mailbox: MailboxId,
  items: () => readonly AppendItem[],
) => Promise<Appended>

export class AppendQueue {
  readonly #write: WriteItems
  /** Calls whose transaction has not begun, by mailbox. */
  readonly #open = new Map<MailboxId, Call[]>()

  constructor(write: WriteItems) {
    this.#write = write
  }

  append(account: AccountId, mailbox: MailboxId, items: readonly AppendItem[]): Promise<Appended> {
    return new Promise((resolve, reject) => {
      const call = { items, resolve, reject }
      const open = this.#open.get(mailbox)
      if (open && count(open) + items.length <= maxItems) {
        open.push(call)
        return
      }
      const calls = [call]
      this.#open.set(mailbox, calls)
      void this.#commit(account, mailbox, calls)
    })
  }

  async #commit(account: AccountId, mailbox: MailboxId, calls: readonly Call[]): Promise<void> {
    const close = () => {
      if (this.#open.get(mailbox) === calls) this.#open.delete(mailbox)
      return calls.flatMap(({ items }) => items)
    }
    try {
      const { uids, ...done } = await this.#write(account, mailbox, close)
      let at = 0
      for (const { items, resolve } of calls) resolve({ ...done, uids: uids.slice(at, (at += items.length)) })
    } catch (error) {
      close()
      if (calls.length === 1) calls[0]!.reject(error)
      // What one may not do, the others may: each for itself.
      else for (const call of calls) void this.#commit(account, mailbox, [call])
    }
  }
}

const count = (calls: readonly Call[]): number => calls.reduce((sum, { items }) => sum + items.length, 0)
