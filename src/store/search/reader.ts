// Reading search.db, in any thread: which contents and messages may hold a text. When it cannot be read there is no index, and
// whoever searches looks at everything.

import { existsSync } from 'node:fs'
import type { Clock, Log } from '../../base/index.ts'
import type { Heights } from '../rows/indexing.ts'
import type { Connection } from '../sqlite/connection.ts'
import { ReadPool } from '../sqlite/read.ts'
import type { Statements } from '../transaction.ts'
import * as rows from './rows.ts'
import { joinSignals } from './signals.ts'
import { readCursors, searchPath } from './writer.ts'

/** Ids that one statement looks through: some 20 ms where every text holds every trigram. */
const window = 500_000

/** What may hold the text, and from where on nothing is known. */
export interface Candidates {
  readonly contents: readonly number[]
  readonly messages: readonly number[]
  /** Nothing is known of contents and messages above. */
  readonly cursors: Heights
}

export interface SearchReader {
  /**
   * Contents and messages whose texts hold what is wanted (trigrams folded, three code points each), and those that may hold anything.
   * Undefined: there is no index, or more than `limit` were found.
   */
  candidates(wanted: rows.Wanted, limit: number): Promise<Candidates | undefined>
  /**
   * Facts of the blocks `from` up to (without) `to`, at most 16, by their names; and how many blocks of the mailbox are packed: among
   * those, one that is not named is empty. Undefined: there is no index.
   */
  facts(
    of: rows.PackedMailbox,
    names: readonly string[],
    from: number,
    to: number,
  ): Promise<{ readonly packed: number; readonly facts: ReadonlyMap<string, readonly rows.FactBlock[]> } | undefined>
  /** How far the index is; undefined when there is none. */
  cursors(): Promise<Heights | undefined>
  close(): void
}

export interface SearchReaderOptions {
  readonly data: string
  readonly clock: Clock
  readonly log: Log
}

export function openSearchReader({ data, clock, log }: SearchReaderOptions): SearchReader {
  const path = searchPath(data)
  let pool: ReadPool | undefined
  let closed = false
  const forget = () => {
    pool?.close()
    pool = undefined
  }
  const signals = joinSignals(path, (word) => {
    if (word === 'begun') forget()
  })
  /** One snapshot; undefined when there is no index. */
  const read = async <T>(work: (tx: Connection) => Promise<T>): Promise<T | undefined> => {
    if (closed || !existsSync(path)) return undefined
    try {
      pool ??= new ReadPool(path, clock, log)
      return await pool.read((tx) => work(tx as Connection))
    } catch (error) {
      log.warn({ err: error }, 'the search index cannot be read: searches look at every message')
      forget()
      signals.say('damaged')
      return undefined
    }
  }
  return {
    cursors: () => read(readCursors),
    facts: (of, names, from, to) =>
      read(async (tx) => {
        const packed = await rows.packedBlocks(tx, of)
        const facts = new Map<string, rows.FactBlock[]>()
        if (packed > from) for (const name of names) facts.set(name, await rows.findFacts(tx, of, name, from, to))
        return { packed, facts }
      }),
    async candidates(wanted, limit) {
      const begun = await read(async (tx) => ({ file: await rows.getMeta(tx, 'file'), cursors: await readCursors(tx) }))
      if (!begun?.file) return undefined
      const { cursors } = begun
      const find = async (page: (tx: Statements, from: number) => Promise<{ id: number }[]>, height: number) => {
        const found: number[] = []
        for (let from = 1; from <= height; ) {
          if (from > 1) await new Promise<void>((resolve) => setImmediate(resolve))
          const ids = await read(async (tx) => {
            // Another file has the right ids, but not yet all of them.
            if ((await rows.getMeta(tx, 'file')) !== begun.file) return undefined
            return page(tx, from)
          })
          if (!ids || found.length + ids.length > limit) return undefined
          for (const { id } of ids) found.push(id)
          from = ids.length < rows.found ? from + window : ids.at(-1)!.id + 1
        }
        return found
      }
      const contents = await find((tx, from) => rows.findContents(tx, wanted, from, from + window), cursors.contents)
      const messages =
        contents && (await find((tx, from) => rows.findMessages(tx, wanted, from, from + window), cursors.messages))
      const unindexed = messages && (await read((tx) => allUnindexed(tx)))
      return unindexed && { contents: [...contents!, ...unindexed], messages: messages!, cursors }
    },
    close() {
      closed = true
      forget()
      signals.close()
    },
  }
}

async function allUnindexed(tx: Statements): Promise<number[]> {
  const found: number[] = []
  for (;;) {
    const page = await rows.findUnindexed(tx, found.at(-1) ?? 0)
    for (const { id } of page) found.push(id)
    if (page.length < 1000) return found
  }
}
