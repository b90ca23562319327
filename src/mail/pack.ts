// The job that packs what FETCH shows of messages into blocks, once no more are added to a block, and again when some are gone from it.
// Without it everything is there and slower: a block is a copy.

import type { AccountId, Clock, MailboxId } from '../base/index.ts'
import { enqueueJob, type RunningJob } from '../jobs/index.ts'
import type { Part } from '../mime/index.ts'
import {
  blockSize,
  fetchBlockRows,
  flagRows,
  mailboxRows,
  messageRows,
  type Store,
  toBuffer,
  type Writer,
} from '../store/index.ts'
import { fetchBlockSize, type Packable, packBlock, tellsOf } from './fetch-block.ts'
import { makeExcerpt } from './header-excerpt.ts'

/** After what made it necessary: mail comes and goes in rushes. */
const delayMs = 5_000
/** Blocks with fewer messages are read as quickly from their rows. */
const enough = 8
/** Rows of one statement, each with the beginning of its bytes. */
const rowsAtOnce = 32
const headerBytes = 16_384
/** Work of one run of the job, and how long others have the thread for each millisecond of it. */
const runMs = 1_000
const rest = 3
/** A thread that was busier than this while the job rested is left alone, but for one block in so many milliseconds. */
const busy = 0.25
const lookMs = 100
const busyRestMs = 2_000

/** Puts the job unless it waits already; `row` is saved by the caller. */
export async function askForPacking(tx: Writer, row: { readonly id: number; packing: number }): Promise<void> {
  if (row.packing === 1) return
  row.packing = 1
  await enqueueJob(tx, 'pack-mailbox', { mailbox: row.id as MailboxId }, { runAt: tx.now + delayMs })
}

/** The same on behalf of a reader who found nothing packed. */
export async function requestPacking(tx: Writer, mailbox: MailboxId): Promise<void> {
  const row = await mailboxRows.find(tx, mailbox)
  if (!row || row.packing === 1) return
  await askForPacking(tx, { ...row })
  await mailboxRows.setPacking(tx, mailbox, 1)
}

/** How a run of the job gives way; what is absent does not. */
export interface Yielding {
  readonly job?: RunningJob
  /** Share of the time since the last call in which this thread worked. */
  readonly load?: () => number
}

/** Packs what is to be packed of a mailbox (`pack-mailbox`), a second of it at once. May be called again at any time. */
export async function packMailbox(
  store: Store,
  clock: Clock,
  mailbox: MailboxId,
  { job, load }: Yielding = {},
): Promise<void> {
  const row = await store.read((tx) => mailboxRows.find(tx, mailbox))
  if (!row) return
  // From here on a new job is put for what changes.
  await store.write(row.account as AccountId, (tx) => mailboxRows.setPacking(tx, mailbox, 0))
  const began = clock.monotonic()
  for await (const due of dueBlocks(store, mailbox, Math.floor(row.uidNext / fetchBlockSize))) {
    const since = clock.monotonic()
    await packOne(store, mailbox, due)
    const now = clock.monotonic()
    if (job && now - began > runMs) return store.write([], (tx) => job.again(tx, tx.now))
    await giveWay(clock, (now - since) * rest, load)
  }
}

/** Waits for `ms`, and longer while the thread is busy with what somebody waits for. */
async function giveWay(clock: Clock, ms: number, load: Yielding['load']): Promise<void> {
  const until = clock.monotonic() + busyRestMs
  load?.()
  for (let wait = ms; ; wait = lookMs) {
    await new Promise<void>((resolve) => clock.after(Math.ceil(wait), resolve))
    if (!load || load() < busy || clock.monotonic() >= until) return
  }
}

/** A block that is to be packed: its number, and 1 where it has a message. */
interface Due {
  readonly block: number
  readonly present: Uint8Array
}

/** Blocks below `end` whose packed form is missing, or tells of messages that are gone. */
async function* dueBlocks(store: Store, mailbox: number, end: number): AsyncGenerator<Due> {
  for (let after = -1; ; ) {
    const { flags, packed } = await store.read(async (tx) => {
      const flags = await flagRows.page(tx, mailbox, after)
      const last = flags.at(-1)?.block ?? after
      return { flags, packed: await fetchBlockRows.facts(tx, mailbox, firstOf(after + 1) - 1, firstOf(last + 1) - 1) }
    })
    const factsOf = new Map(packed.map(({ block, data }) => [block, data]))
    for (const { block: wide, present } of flags)
      for (let i = 0; i < perFlagBlock; i++) {
        const due = { block: firstOf(wide) + i, present: slotsOf(present, i) }
        const facts = factsOf.get(due.block)
        if (due.block < end && (facts ? !tellsOf(facts, due.present) : isWorthIt(due))) yield due
      }
    if (flags.length === 0) return
    after = flags[flags.length - 1]!.block
  }
}

const perFlagBlock = blockSize / fetchBlockSize
const firstOf = (flagBlock: number) => flagBlock * perFlagBlock

function slotsOf(present: Uint8Array, i: number): Uint8Array {
  const slots = new Uint8Array(fetchBlockSize)
  slots.set(present.subarray(i * fetchBlockSize, (i + 1) * fetchBlockSize))
  return slots
}

const isWorthIt = ({ present }: Due): boolean => present.reduce((sum, one) => sum + one, 0) >= enough

async function packOne(store: Store, mailbox: MailboxId, due: Due): Promise<void> {
  const { block } = due
  const messages = isWorthIt(due) ? await readMessages(store, mailbox, block) : []
  const parts = packBlock(messages)
  await store.write([], async (tx) => {
    if (messages.length === 0 || !(await mailboxRows.find(tx, mailbox))) {
      await fetchBlockRows.remove(tx, mailbox, block)
      return
    }
    for (const [part, data] of Object.entries(parts) as [fetchBlockRows.Part, Uint8Array][])
      await fetchBlockRows.save(tx, mailbox, block, part, data)
  })
}

async function readMessages(store: Store, mailbox: MailboxId, block: number): Promise<Packable[]> {
  const messages: Packable[] = []
  const last = block * fetchBlockSize + fetchBlockSize - 1
  for (let next = block * fetchBlockSize; next <= last; ) {
    const from = next
    const rows = await store.read((tx) => messageRows.forFetch(tx, mailbox, from, last, rowsAtOnce, headerBytes))
    for (const row of rows) messages.push(await toPackable(store, row))
    if (rows.length < rowsAtOnce) break
    next = rows[rows.length - 1]!.uid + 1
  }
  return messages
}

async function toPackable(store: Store, row: messageRows.FetchRow): Promise<Packable> {
  return {
    uid: row.uid,
    receivedAt: row.receivedAt,
    size: row.size,
    has8bit: row.has8bit === 1,
    envelope: Buffer.from(row.envelope),
    bodystructure: Buffer.from(row.bodystructure),
    fields: await readExcerpt(store, row),
  }
}

/** Undefined when the header is too long to be looked at, or its file is gone. */
async function readExcerpt(store: Store, row: messageRows.FetchRow): Promise<Buffer | undefined> {
  const { body } = JSON.parse(row.structure) as Part
  if (body > headerBytes) return undefined
  const head =
    row.file === null ? row.head && toBuffer(row.head).subarray(0, body) : await readFile(store, row.file, body)
  if (head?.length !== body) return undefined
  const header = Buffer.concat([row.prefix, head])
  // A literal holds no NUL (RFC 9051 §9): as FETCH writes it.
  for (let at = header.indexOf(0); at >= 0; at = header.indexOf(0, at)) header[at] = 0x80
  return makeExcerpt(header)
}

async function readFile(store: Store, file: string, end: number): Promise<Buffer | undefined> {
  return end === 0 ? Buffer.alloc(0) : store.blobs.read(file, 0, end).catch(() => undefined)
}
