// INBOX as one POP3 session sees it: a snapshot of UIDs from the packed flags, sizes when they are asked for, and what is to be removed.

import { type AccountId, Fault, toRanges } from '../base/index.ts'
import type { Access, FlagBlock, MessageRow } from '../mail/index.ts'
import type { Pop3Services } from './options.ts'

/** Rows of one read. */
const page = 1000

/** Messages go by their numbers from 1 on, which stay as they are for the session (RFC 1939 §5). */
export class Maildrop {
  readonly #services: Pop3Services
  readonly #access: Access
  readonly #uidValidity: number
  readonly #uids: Uint32Array
  /** By index; NaN until read. */
  readonly #sizes: Float64Array
  readonly #marked = new Set<number>()
  #totalSize: number

  private constructor(
    services: Pop3Services,
    access: Access,
    { mailbox, blocks }: Awaited<ReturnType<Pop3Services['reads']['changesSince']>> & {},
  ) {
    this.#services = services
    this.#access = access
    this.#uidValidity = mailbox.uidValidity
    this.#uids = unpack(blocks)
    this.#sizes = new Float64Array(this.#uids.length).fill(Number.NaN)
    this.#totalSize = mailbox.size
  }

  static async open(services: Pop3Services, account: AccountId): Promise<Maildrop> {
    const { access } = await services.reads.resolve(account, 'INBOX', 'r')
    const now = await services.reads.changesSince(access.mailbox, 0)
    if (!now) throw new Fault('unavailable', 'the mailbox is not there')
    return new Maildrop(services, access, now)
  }

  /** Number and octets of what is not marked (RFC 1939 §5, STAT). */
  get total(): { readonly count: number; readonly size: number } {
    return { count: this.#uids.length - this.#marked.size, size: this.#totalSize }
  }

  get markedCount(): number {
    return this.#marked.size
  }

  /** Whether there is such a message and it is not marked. */
  has(number: number): boolean {
    return number >= 1 && number <= this.#uids.length && !this.#marked.has(number - 1)
  }

  /** Stable for ever: the mailbox's UIDVALIDITY and the message's UID. */
  uniqueId(number: number): string {
    return `${this.#uidValidity}.${this.#uids[number - 1]}`
  }

  /** Numbers of all messages that are not marked, page by page. */
  *pages(): Generator<number[]> {
    for (let at = 0; at < this.#uids.length; at += page) {
      const numbers: number[] = []
      for (let i = at; i < at + page && i < this.#uids.length; i++) if (!this.#marked.has(i)) numbers.push(i + 1)
      yield numbers
    }
  }

  /** Sizes of ascending numbers, of one page at most. */
  async sizes(numbers: readonly number[]): Promise<number[]> {
    if (numbers.length > 0) await this.#readSizes(numbers[0]! - 1, numbers[numbers.length - 1]!)
    return numbers.map((number) => this.#sizes[number - 1]!)
  }

  async size(number: number): Promise<number> {
    const [size] = await this.sizes([number])
    return size!
  }

  async mark(number: number): Promise<void> {
    this.#totalSize -= await this.size(number)
    this.#marked.add(number - 1)
  }

  unmark(): void {
    for (const index of this.#marked) this.#totalSize += this.#sizes[index]!
    this.#marked.clear()
  }

  /** The message's row; Fault `not-found` when another session removed it. */
  async row(number: number): Promise<MessageRow> {
    const uid = this.#uids[number - 1]!
    const [row] = await this.#services.reads.rows(this.#access.mailbox, [[uid, uid]], {})
    if (!row) throw new Fault('not-found', 'the message is gone')
    return row
  }

  stream(row: MessageRow): AsyncIterable<Buffer> {
    return this.#services.reads.stream(row, 0, row.size)
  }

  /** Removes what is marked, on stable storage when it resolves. What others removed meanwhile is no matter. */
  async removeMarked(): Promise<void> {
    if (this.#marked.size === 0) return
    const { writes } = this.#services
    const uids = toRanges(Array.from(this.#marked, (index) => this.#uids[index]!))
    await writes.setFlags(this.#access, uids, { mode: 'add', flags: ['\\Deleted'] })
    await writes.expunge(this.#access, uids)
  }

  /** Fills the sizes of these indexes. A message that another session removed counts nothing. */
  async #readSizes(from: number, to: number): Promise<void> {
    const missing: number[] = []
    for (let i = from; i < to; i++) if (Number.isNaN(this.#sizes[i])) missing.push(i)
    if (missing.length === 0) return
    const uids = toRanges(missing.map((i) => this.#uids[i]!))
    const facts = await this.#services.reads.facts(this.#access.mailbox, uids, ['size'])
    const sizes = new Map(facts.map(({ uid, size }) => [uid, size!]))
    for (const i of missing) this.#sizes[i] = sizes.get(this.#uids[i]!) ?? 0
  }
}

function unpack(blocks: readonly FlagBlock[]): Uint32Array {
  let count = 0
  for (const block of blocks) for (let slot = 0; slot < block.count; slot++) count += block.present[slot]!
  const uids = new Uint32Array(count)
  let at = 0
  for (const block of blocks)
    for (let slot = 0; slot < block.count; slot++) if (block.present[slot]) uids[at++] = block.block * 256 + slot
  return uids
}
