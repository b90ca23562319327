// The one writer of search.db. The file may be deleted at any time it is not open, and is begun anew when it is damaged, of another
// version, or of another store. Knows ids and texts, not where they come from.

import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Log } from '../../base/index.ts'
import type { Heights } from '../rows/indexing.ts'
import { Connection } from '../sqlite/connection.ts'
import * as rows from './rows.ts'
import { joinSignals } from './signals.ts'

/** Small: what a thread gives back in pieces stays with the process. */
const cacheKiB = 2_048
/** What the WAL file keeps on disk after a rush. */
const walKeptBytes = 16 * 1024 * 1024

export interface IndexedText {
  /** Folded. */
  readonly text: string
  /** The words of it, with spaces between. */
  readonly words: string
}

/** How far the index is. */
export interface Progress extends Heights {
  /** Every mailbox was looked at for blocks to pack when the last message had this id. */
  readonly packed: number
}

/** Packed facts of one block of a mailbox. */
export interface FactsOfBlock {
  readonly of: rows.PackedMailbox
  readonly block: number
  /** Of all facts that there may be. */
  readonly names: readonly string[]
  /** Empty: the block holds no message. */
  readonly facts: ReadonlyMap<string, Uint8Array>
}

/** What is put in one transaction. */
export interface IndexPage {
  /** Absent text: too long to be indexed. */
  readonly contents?: readonly { readonly id: number; readonly text: IndexedText | undefined }[]
  readonly prefixes?: readonly { readonly id: number; readonly text: IndexedText }[]
  /** Everything up to these ids is in the index then. */
  readonly cursors: Partial<Progress>
  /** The last content of the page: by it the file is known to belong to this store. */
  readonly last?: { readonly id: number; readonly hash: string }
}

export interface SearchWriter {
  /** Everything up to these ids is in the index. */
  readonly cursors: Progress
  put(page: IndexPage): Promise<void>
  /** How many blocks of the mailbox are packed, from the first on. */
  packed(of: rows.PackedMailbox): Promise<number>
  /** Puts the next block of the mailbox, or one again. */
  pack(block: FactsOfBlock): Promise<void>
  /** Mailboxes with packed blocks, behind a place in their order, at most 1,000. */
  packedMailboxes(after: rows.PackedMailbox): Promise<(rows.PackedMailbox & { readonly blocks: number })[]>
  /** Blocks with messages, and the bytes of this fact of each. */
  factSizes(
    of: rows.PackedMailbox,
    fact: string,
    from: number,
  ): Promise<{ readonly block: number; readonly size: number }[]>
  /** Takes out what is packed of a mailbox; false: call again. */
  unpack(of: rows.PackedMailbox): Promise<boolean>
  /** Ids in a part of the index after `after`, ascending, at most 500. */
  ids(part: rows.Kept, after: number): Promise<number[]>
  remove(part: rows.Kept, ids: readonly number[]): Promise<void>
  /** When contents that are gone were last looked for; 0: never. */
  sweptAt(): Promise<number>
  noteSwept(now: number): Promise<void>
  close(): Promise<void>
}

export const searchPath = (data: string) => join(resolve(data), 'search.db')

export interface SearchWriterOptions {
  readonly data: string
  readonly store: string
  readonly log: Log
}

/** Opens the index of the store of that name, begun anew unless it is whole and its own. */
export async function openSearchWriter({ data, store, log }: SearchWriterOptions): Promise<SearchWriter> {
  const path = searchPath(data)
  let damaged = false
  const signals = joinSignals(path, (word) => {
    if (word === 'damaged') damaged = true
  })
  let connection = (await openWhole(path, store, log)) ?? (await begin(path, store))
  let cursors = await readCursors(connection)
  /** Runs the work in a transaction; a damaged file is begun anew, and the work is lost with it. */
  const write = async (work: () => Promise<void>) => {
    try {
      if (damaged) throw new Error('a search found it unreadable')
      connection.control('BEGIN IMMEDIATE')
      await work()
      connection.control('COMMIT')
    } catch (error) {
      // A full disk is the operator's to mend: the index stays as it is, and is tried again later.
      if (isFull(error)) {
        if (connection.inTransaction) connection.control('ROLLBACK')
        throw error
      }
      log.warn({ err: error }, 'the search index is damaged: it is begun anew')
      damaged = false
      connection.close()
      connection = await begin(path, store)
      signals.say('begun')
    }
    cursors = await readCursors(connection)
  }
  return {
    get cursors() {
      return cursors
    },
    put: (page) => write(() => putPage(connection, page)),
    packed: (of) => rows.packedBlocks(connection, of),
    pack: ({ of, block, names, facts }) =>
      write(async () => {
        await rows.putFacts(connection, of, block, names, facts)
        if (block >= (await rows.packedBlocks(connection, of))) await rows.setPacked(connection, of, block + 1)
      }),
    packedMailboxes: (after) => rows.listPacked(connection, after),
    factSizes: (of, fact, from) => rows.factSizes(connection, of, fact, from),
    async unpack(of) {
      let done = true
      await write(async () => {
        done = await rows.removeFacts(connection, of)
      })
      return done
    },
    ids: (part, after) => rows.idsAfter(connection, part, after),
    remove: (part, ids) => write(() => rows.remove(connection, part, ids)),
    sweptAt: async () => Number((await rows.getMeta(connection, 'swept')) ?? 0),
    noteSwept: (now) => write(() => rows.putMeta(connection, 'swept', `${now}`)),
    async close() {
      await write(() => rows.putMeta(connection, 'open', ''))
      signals.close()
      connection.close()
    },
  }
}

const isFull = (error: unknown) => (error as { errcode?: number } | undefined)?.errcode === 13

async function putPage(connection: Connection, { contents = [], prefixes = [], cursors, last }: IndexPage) {
  for (const { id, text } of contents)
    await (text === undefined
      ? rows.addUnindexed(connection, id)
      : rows.addText(connection, id, clean(text.text), text.words))
  for (const { id, text } of prefixes) await rows.addPrefix(connection, id, clean(text.text), text.words)
  if (cursors.contents !== undefined) await rows.putMeta(connection, 'contents', `${cursors.contents}`)
  if (cursors.messages !== undefined) await rows.putMeta(connection, 'messages', `${cursors.messages}`)
  if (cursors.packed !== undefined) await rows.putMeta(connection, 'packed', `${cursors.packed}`)
  if (last) await rows.putMeta(connection, 'last', `${last.id} ${last.hash}`)
}

/** A NUL would end the text for C. */
const clean = (text: string) => (text.includes('\0') ? text.replaceAll('\0', ' ') : text)

export async function readCursors(connection: Connection): Promise<Progress> {
  return {
    contents: Number((await rows.getMeta(connection, 'contents')) ?? 0),
    messages: Number((await rows.getMeta(connection, 'messages')) ?? 0),
    packed: Number((await rows.getMeta(connection, 'packed')) ?? 0),
  }
}

/** The file as it was left; undefined when it must be begun anew. */
async function openWhole(path: string, store: string, log: Log): Promise<Connection | undefined> {
  if (!existsSync(path)) return undefined
  let connection: Connection | undefined
  try {
    connection = openFile(path)
    if (connection.pragma('user_version') === rows.version && (await rows.getMeta(connection, 'store')) === store) {
      // Who was killed wrote all or nothing of a transaction; after a power failure the disk may not have.
      const isWhole = (await rows.getMeta(connection, 'open')) === '' || connection.pragma('quick_check(1)') === 'ok'
      if (isWhole) {
        await rows.putMeta(connection, 'open', '1')
        return connection
      }
    }
    log.info({}, 'the search index is of another version or store, or not whole: it is begun anew')
  } catch (error) {
    log.warn({ err: error }, 'the search index cannot be read: it is begun anew')
  }
  connection?.close()
  return undefined
}

/** An empty index. */
async function begin(path: string, store: string): Promise<Connection> {
  removeFile(path)
  mkdirSync(resolve(path, '..'), { recursive: true, mode: 0o700 })
  closeSync(openSync(path, 'a', 0o600))
  const connection = openFile(path)
  connection.control('BEGIN IMMEDIATE')
  for (const statement of rows.schema) connection.exec(statement)
  await rows.putMeta(connection, 'store', store)
  await rows.putMeta(connection, 'file', randomBytes(8).toString('hex'))
  await rows.putMeta(connection, 'open', '1')
  connection.control('COMMIT')
  return connection
}

function openFile(path: string): Connection {
  const connection = new Connection(path, { readOnly: false, cacheKiB })
  connection.pragma('journal_mode = WAL')
  // Rebuildable: after a power failure the last transactions may be missing, and the cursor with them.
  connection.exec(`PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = ${walKeptBytes}`)
  return connection
}

/** The log first: without its file it would be replayed into the next one. */
function removeFile(path: string): void {
  for (const end of ['-wal', '-shm', '']) rmSync(`${path}${end}`, { force: true })
}

/** What the store says of itself at the start, before anybody searches. */
export interface StoreFacts {
  readonly store: string
  readonly heights: Heights
  hashOf(content: number): Promise<string | undefined>
}

/**
 * Takes the file away when it does not belong to this store as it is now (another database, an older backup): its ids would be those of
 * other contents. To be called before any thread opens it. Returns how far the index is.
 */
export async function checkSearchFile(data: string, facts: StoreFacts, log: Log): Promise<Progress> {
  const path = searchPath(data)
  if (!existsSync(path)) return { contents: 0, messages: 0, packed: 0 }
  let connection: Connection | undefined
  try {
    connection = new Connection(path, { readOnly: false, cacheKiB: 256 })
    const cursors = await readCursors(connection)
    const isOwn =
      connection.pragma('user_version') === rows.version && (await rows.getMeta(connection, 'store')) === facts.store
    const isNewer = cursors.contents > facts.heights.contents || cursors.messages > facts.heights.messages
    if (isOwn && !isNewer && (await isLastKnown(connection, facts))) {
      connection.close()
      return cursors
    }
    log.info({}, 'the search index belongs to another version or state of the store: it is begun anew')
  } catch (error) {
    log.warn({ err: error }, 'the search index cannot be read: it is begun anew')
  }
  connection?.close()
  removeFile(path)
  return { contents: 0, messages: 0, packed: 0 }
}

async function isLastKnown(connection: Connection, { hashOf }: StoreFacts): Promise<boolean> {
  const [id, hash] = ((await rows.getMeta(connection, 'last')) ?? '').split(' ')
  if (!id) return true
  const found = await hashOf(Number(id))
  // Absent: swept.
  return found === undefined || found === hash
}
