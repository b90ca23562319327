// Fills the search index behind two cursors, page by page: the texts of contents, then what delivery put before them; then packs what
// mailboxes have got. Says what is indexed; when it runs, and how fast, is the caller's.

import type { Clock, Log } from '../base/index.ts'
import { type Part, searchHeader } from '../mime/index.ts'
import {
  type Heights,
  type IndexedText,
  type IndexPage,
  indexingRows,
  type Progress,
  type ReadStore,
  type SearchWriter,
  toBuffer,
} from '../store/index.ts'
import { createPacker, type Packer, type ReadFacts } from './packer.ts'
import { readFacts } from './reads.ts'
import { readText } from './texts.ts'
import { wordList } from './words.ts'

/** What one step reads of contents: a tenth of a second of work. */
const pageBytes = 1_048_576
/** Characters of one text that are indexed. What is longer (a mailbox sent as text) is looked at by every search instead. */
const maxText = 4 * 1_048_576
/** How long an id may be given and not yet be seen in a transaction (see indexingRows.transactions). */
const settleMs = 1_000
const sweepEveryMs = 6 * 3_600_000

/** `more`: call again. `wait`: there is more, but not yet. */
export type Step = 'more' | 'wait' | 'done'

export interface Indexer {
  /** One page of work in one transaction of the index. */
  step(): Promise<Step>
}

export interface IndexerOptions {
  readonly store: ReadStore
  readonly index: SearchWriter
  readonly clock: Clock
  readonly log: Log
}

export function createIndexer(options: IndexerOptions): Indexer {
  const { store, index, clock } = options
  const settled = createSettling(store, clock)
  const facts: ReadFacts = (mailbox, uids, want) => store.read((tx) => readFacts(tx, mailbox, [uids], want))
  // Mailboxes are looked at one after the other: what comes meanwhile may be for those before.
  let pass: { readonly packer: Packer; readonly upTo: number } | undefined
  return {
    async step() {
      const { cursors } = index
      // The index was begun anew.
      if (pass && cursors.messages < pass.upTo) pass = undefined
      const { upTo, all } = await settled()
      if (cursors.contents < upTo.contents) {
        await index.put(await readContents(options, cursors.contents, upTo.contents))
        return 'more'
      }
      if (cursors.messages < upTo.messages) {
        await index.put(await readPrefixes(store, cursors.messages, upTo.messages))
        return 'more'
      }
      if (!all) return 'wait'
      if (!pass && awaitsPacking(cursors, upTo))
        pass = { packer: createPacker({ store, index, readFacts: facts }), upTo: upTo.messages }
      if (pass) {
        if (await pass.packer.step()) return 'more'
        await index.put({ cursors: { packed: pass.upTo } })
        pass = undefined
        return 'more'
      }
      if (clock.now() - (await index.sweptAt()) < sweepEveryMs) return 'done'
      await sweepIndex(store, index)
      await createPacker({ store, index, readFacts: facts }).sweep()
      await index.noteSwept(clock.now())
      return 'more'
    },
  }
}

/** With so few new messages hardly a block has become whole. */
const worthPacking = 1_000
const awaitsPacking = (at: Progress, { messages }: Heights) => messages - at.packed >= worthPacking

/** How much there is to do. */
export function indexLag(at: Progress, heights: Heights): number {
  const behind = heights.contents - at.contents + heights.messages - at.messages
  return behind + (awaitsPacking(at, heights) ? heights.messages - at.packed : 0)
}

/** Up to which ids every row that will ever be is there, and whether these are all ids. */
function createSettling(store: ReadStore, clock: Clock) {
  let upTo: Heights = { contents: 0, messages: 0 }
  let pending: { readonly heights: Heights; readonly at: number; next?: number } | undefined
  return async (): Promise<{ upTo: Heights; all: boolean }> => {
    const { heights, open } = await store.read(async (tx) => ({
      heights: await indexingRows.heights(tx),
      open: await indexingRows.transactions(tx),
    }))
    if (!open) return { upTo: heights, all: true }
    if (pending?.next !== undefined && open.oldest >= pending.next) {
      upTo = pending.heights
      pending = undefined
    }
    pending ??= { heights, at: clock.monotonic() }
    if (clock.monotonic() - pending.at >= settleMs) pending.next ??= open.next
    return { upTo, all: upTo.contents >= heights.contents && upTo.messages >= heights.messages }
  }
}

async function readContents(options: IndexerOptions, after: number, upTo: number): Promise<IndexPage> {
  const { store } = options
  const end = await store.read(async (tx) => endOfPage(await indexingRows.sizes(tx, after, upTo)))
  if (end === undefined) return { cursors: { contents: upTo } }
  const rows = await store.read((tx) => indexingRows.texts(tx, after, end))
  const contents: { id: number; text: IndexedText | undefined }[] = []
  for (const row of rows) {
    const text = await readWhole(options, row)
    contents.push({ id: row.id, text: text === undefined ? undefined : toIndexed(text) })
  }
  const last = rows.at(-1)
  return {
    contents,
    cursors: { contents: end },
    ...(last && { last: { id: last.id, hash: toBuffer(last.hash).toString('hex') } }),
  }
}

/** The last id of those whose bytes are not too many; undefined when there is none. */
function endOfPage(sizes: readonly { readonly id: number; readonly size: number }[]): number | undefined {
  let bytes = 0
  let end: number | undefined
  for (const { id, size } of sizes) {
    bytes += size
    if (end !== undefined && bytes > pageBytes) break
    end = id
  }
  return end
}

/** Everything of a content that a search looks in; undefined when it is too much, or cannot be told. */
async function readWhole({ store, log }: IndexerOptions, row: indexingRows.TextRow): Promise<string | undefined> {
  try {
    const root = JSON.parse(row.structure) as Part
    // A header that begins with a fold would go on with the last field put before it: only both together are the text.
    if (await beginsWithBlank(store, row, root)) return undefined
    let text = ''
    for await (const { header, body } of readText(store, { ...row, uid: 0, prefix: nothing }, everything)) {
      text += header === '' ? body : `${header}\n${body}`
      if (text.length > maxText) return undefined
    }
    // Addresses as they are compared may differ from the header's own spelling.
    for (const value of [row.subject, row.from, row.to, row.cc, row.bcc])
      if (!text.includes(value)) text += `\n${value}`
    return text
  } catch (error) {
    // The file of a content may be gone, the content being swept.
    log.debug({ err: error, content: row.id }, 'a content was not indexed')
    return undefined
  }
}

const nothing = new Uint8Array()
const everything = { header: true, body: true }

async function beginsWithBlank(store: ReadStore, { file, data }: indexingRows.TextRow, root: Part): Promise<boolean> {
  if (root.body === 0) return false
  const [first] = file === null ? data! : await store.blobs.read(file, 0, 1)
  return first === 32 || first === 9
}

const toIndexed = (text: string): IndexedText => ({ text, words: wordList(text) })

async function readPrefixes(store: ReadStore, after: number, upTo: number): Promise<IndexPage> {
  const rows = await store.read((tx) => indexingRows.prefixes(tx, after, upTo))
  const prefixes = rows
    .filter(({ prefix }) => prefix.length > 0)
    .map(({ id, prefix }) => ({ id, text: toIndexed(searchHeader(toBuffer(prefix))) }))
  return { prefixes, cursors: { messages: rows.at(-1)?.id ?? upTo } }
}

/** Takes out what is gone from the store. */
export async function sweepIndex(store: ReadStore, index: SearchWriter): Promise<void> {
  for (const part of ['text_index', 'unindexed', 'prefix_index'] as const) {
    const present = part === 'prefix_index' ? indexingRows.presentMessages : indexingRows.presentContents
    for (let after = 0; ; ) {
      const ids = await index.ids(part, after)
      if (ids.length === 0) break
      const there = await store.read((tx) => present(tx, ids))
      const gone = ids.filter((id) => !there.has(id))
      if (gone.length > 0) await index.remove(part, gone)
      after = ids.at(-1)!
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
}
