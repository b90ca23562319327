// The store as the rest of the house sees it: read and write transactions, blobs, and the bell that says what changed.

import type { AccountId, Clock, Log, Ranges } from '../base/index.ts'
import type { FaultPoint } from './fault-points.ts'

/** A statement: constant text with values between. Written only with the `sql` tag; the tag's identity keys the prepared statement. */
export interface Sql {
  readonly strings: TemplateStringsArray
  readonly values: readonly SqlValue[]
}
export type SqlValue = string | number | bigint | Uint8Array | null

/** Only functions of `store/rows` call `all`, `get` and `run`. */
export interface Reader {
  readonly dialect: 'sqlite' | 'postgres'
  /** At most 1,000 rows: the statement has a LIMIT or is bounded by its key. */
  all<R>(query: Sql): Promise<R[]>
  get<R>(query: Sql): Promise<R | undefined>
}

export interface Writer extends Reader {
  /** Rows changed. */
  run(query: Sql): Promise<number>
  /** Runs an INSERT of one row into a table with an `id`, and gives that; undefined when ON CONFLICT DO NOTHING made no row. */
  insert(query: Sql): Promise<number | undefined>
  /** Wall clock of the transaction, milliseconds. */
  readonly now: number
  /**
   * The modseq of this transaction in `account`: taken from the account's counter on first use, the same for all later calls.
   * The account must be in the scope of the write.
   */
  modseq(account: AccountId): Promise<number>
  /** Puts the account's modseq, and this transaction's in it, so far that no client has heard of it, whatever was lost. */
  leapModseq(account: AccountId, by: number): Promise<number>
  /** Takes room for mail in the account, and this transaction's modseq in it; false, and nothing is taken, when there is not enough or no such account. */
  takeRoom(account: AccountId, bytes: number, messages: number): Promise<boolean>
  /** Notes a change row of this transaction (one row per account, kind, container and `what` is written at commit) and rings the bell after it. */
  changed(account: AccountId, change: ChangeNote): void
  /** Rings `bell` for a job queue or another topic after the commit. */
  ring(topic: Topic): void
  /** Runs after the commit is on stable storage; never awaited by the writer. */
  afterCommit(run: () => void): void
}

export interface ChangeNote {
  readonly kind: 'email' | 'mailbox' | 'thread' | 'quota' | 'subscription' | 'annotation'
  /** The mailbox for `email` and `annotation` (0: the server), 0 otherwise. */
  readonly container: number
  readonly what: 'created' | 'updated' | 'destroyed'
  /** UIDs for `email` in a mailbox, ids otherwise. */
  readonly ids: Ranges
}

/** What a write locks, in ascending order until commit: accounts, or the server's own tables (domains, accounts, aliases, settings). The queue and jobs need no lock: `[]`. */
export type Scope = readonly AccountId[] | AccountId | 'server'

export type Topic = 'jobs' | 'queue' | 'accounts' | 'suppression' | 'abuse' | 'complaints' | 'certificates'
export type Ring = { readonly account: AccountId; readonly modseq: number } | { readonly topic: Topic }

export interface Bell {
  /** Hears every ring of this process and, on PostgreSQL, of the others. Returns the way to stop. A ring may be lost: compare and poll too. */
  on(hear: (ring: Ring) => void): () => void
}

export interface ReadStore {
  readonly dialect: 'sqlite' | 'postgres'
  /** A consistent snapshot. Keep it short (250 ms): continue by key in another read. */
  read<T>(work: (tx: Reader) => Promise<T>): Promise<T>
  /** While two calls give the same, nobody has committed anything between them; undefined when that cannot be told at once. */
  version(): string | undefined
  readonly blobs: Blobs
  readonly bell: Bell
  close(): Promise<void>
}

export interface WriteOptions {
  /** False: it may be lost when the machine fails. */
  readonly durable?: boolean
  /** Nobody waits for it: it joins the next write of another, or is written some milliseconds later. */
  readonly patient?: boolean
}

export interface Store extends ReadStore {
  /**
   * Resolves when the work's rows are on stable storage; rejects with the work's own error, and then nothing of it is left. Inside, only `tx`
   * is awaited. It may be run more than once: what it did to anything but `tx` counts as of the last time.
   */
  write<T>(scope: Scope, work: (tx: Writer) => Promise<T>, options?: WriteOptions): Promise<T>
  /** Rises when told UIDs may have been lost (power failure, restore): a mailbox row with an older epoch is advanced before use. */
  readonly epoch: number
  /** Names this opening of the store; claims are held in its name (see metaRows.liveIncarnations). */
  readonly incarnation: string
  /** What is wrong with the stored data, in words; empty when nothing is. Takes long and blocks: for `check` commands and tests. */
  check(): Promise<string[]>
}

/** Large contents, one file each. Files are written before the row that names them and unlinked after the row is gone. */
export interface Blobs {
  /** Bytes up to which content stands in the database instead. */
  readonly inlineLimit: number
  create(): Promise<BlobWriter>
  /** `end` is exclusive. */
  read(name: string, start: number, end: number): Promise<Buffer>
  /** Chunks of 64 KiB, of up to 1 MiB of 256 KiB. Fault `internal` when the file is shorter than a finite `end`. */
  stream(name: string, start?: number, end?: number): AsyncIterable<Buffer>
  /** Takes the file away if it exists. */
  remove(name: string): Promise<void>
  /** Names of files older than `olderThanMs`, at most 1,000 per page; also leftovers of unfinished writes. */
  list(olderThanMs: number, after?: string): Promise<string[]>
  /** Bytes free where blobs are kept. */
  free(): Promise<number>
}

export interface BlobWriter {
  write(chunk: Uint8Array): Promise<void>
  /** Syncs, renames to the final name and syncs the folder. The name is `<hash prefix>-<unique id>`. */
  finish(hash: string): Promise<string>
  abort(): Promise<void>
}

/** What reading needs; the meaning of each is told at StoreOptions. */
export type ReadStoreOptions = Pick<
  StoreOptions,
  'store' | 'data' | 'blobs' | 'inlineLimit' | 'poolSize' | 'clock' | 'log'
>

export interface StoreOptions {
  /** `sqlite` or a postgres:// URL. */
  readonly store: string
  /** The data folder; the SQLite file is `<data>/posthorn.db`. */
  readonly data: string
  /** Folder of large contents; on PostgreSQL all nodes share it. Absent: `<data>/blobs`. */
  readonly blobs?: string
  readonly inlineLimit?: number
  /** Connections to PostgreSQL; absent: 10. */
  readonly poolSize?: number
  readonly clock: Clock
  readonly log: Log
  /** Called once when storage fails (I/O error, failed sync): the process must end. */
  readonly onFatal: (error: Error) => void
  /** Named fault points, only in tests. */
  readonly fault?: (point: FaultPoint) => void
}
