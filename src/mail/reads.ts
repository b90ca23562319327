// Reading mail, in any thread: mailboxes, packed flags, rows, bytes. Never writes.

import {
  type AccountId,
  countRanges,
  eachInRanges,
  Fault,
  inRanges,
  type MailboxId,
  normaliseRanges,
  notePassing,
  type Ranges,
  toRanges,
} from '../base/index.ts'
import { readPage } from '../events/index.ts'
import {
  contentRows,
  fetchBlockRows,
  flagRows,
  mailboxRows,
  messageRows,
  type Reader,
  type ReadStore,
  type SearchReader,
  subscriptionRows,
  toBuffer,
} from '../store/index.ts'
import { listAcl } from './acl.ts'
import { readBlocks } from './fetch-block.ts'
import { loadKeywords } from './flags.ts'
import { findHolders, findWordHolders } from './holders.ts'
import { listMailboxes } from './mailboxes.ts'
import { listAnnotations, readAnnotations } from './metadata.ts'
import { createRangeList } from './open-mailbox.ts'
import { readColumns } from './read-columns.ts'
import { assertRight, noMailbox, ownAccess } from './rights.ts'
import { listShared, resolveById, resolveMailbox } from './shared.ts'
import { findLacking, readTexts } from './texts.ts'
import type { Fact, FlagBlock, MailReads, MessageFacts, MessageRow, RowFields } from './types.ts'
import { toMailbox } from './values.ts'

const maxRows = 1000
/** Rows that nobody asked for are cheaper than a statement each, up to this gap between ranges. */
const maxGap = 16
const maxRanges = 4
const chunkSize = 65_536
/** A message up to this size is read with its row. */
const smallBytes = 65_536

/** Without an index searches look at every message. */
export function createMailReads(store: ReadStore, index?: SearchReader): MailReads {
  return {
    resolve: (actor, name, right) =>
      store.read(async (tx) => {
        const found = await resolveMailbox(tx, actor, name)
        if (!found) throw noMailbox()
        if (right !== 'any') assertRight(found.access.rights, right)
        return found
      }),
    resolveById: (actor, id) => store.read((tx) => resolveById(tx, actor, id)),
    shared: (actor) => store.read((tx) => listShared(tx, actor)),
    visible: (actor) =>
      store.read(async (tx) => {
        const own = (await listMailboxes(tx, actor)).map(toMailbox)
        return [
          ...own.map((mailbox) => ({ mailbox, access: ownAccess(actor, mailbox.id) })),
          ...(await listShared(tx, actor)),
        ]
      }),
    annotationNames: (access) => store.read((tx) => listAnnotations(tx, access)),
    annotations: (access, entries) => store.read((tx) => readAnnotations(tx, access, entries)),
    acl: (access) => store.read((tx) => listAcl(tx, access)),
    mailboxes: (account) => store.read(async (tx) => (await listMailboxes(tx, account)).map(toMailbox)),
    mailbox: (account, name) =>
      store.read(async (tx) => {
        const row = await mailboxRows.findByName(tx, account, name)
        return row && toMailbox(row)
      }),
    mailboxById: (id) =>
      store.read(async (tx) => {
        const row = await mailboxRows.find(tx, id)
        return row && toMailbox(row)
      }),
    subscriptions: (account) => store.read((tx) => listSubscriptions(tx, account)),
    keywords: (mailbox) => store.read((tx) => loadKeywords(tx, mailbox)),
    changes: (account, cursor) => store.read((tx) => readPage(tx, account, cursor)),
    version: () => store.version(),
    changesSince: (mailbox, since) => store.read((tx) => readChanges(tx, mailbox, since)),
    expunged: (mailbox, since, uids) => readExpunged(store, mailbox, since, uids),
    rows: (mailbox, uids, want) => store.read((tx) => readRows(tx, mailbox, uids, want)),
    fetchBlocks: (mailbox, from, to, want) =>
      store.read(async (tx) => {
        const parts = ['facts' as const, ...want]
        const last = Math.min(to, from + fetchBlockRows.blocksAtOnce - 1)
        return readBlocks(await fetchBlockRows.load(tx, mailbox, from, last, parts), parts)
      }),
    facts: (mailbox, uids, want) => store.read((tx) => readFacts(tx, mailbox, uids, want)),
    columns: (mailbox, uids, want) =>
      readColumns({ store, index }, mailbox, uids, want, (some, facts) =>
        store.read((tx) => readFacts(tx, mailbox, toRanges(some), facts)),
      ),
    bytes: (row, start, end) => readBytes(store, row, start, end),
    wholes: (mailbox, uids) => store.read((tx) => readWholes(tx, mailbox, uids)),
    stream: (row, start, end) => streamBytes(store, row, start, end),
    texts: (mailbox, uids, want) =>
      readTexts(store, mailbox, () => store.read((tx) => readFacts(tx, mailbox, uids, ['size'])), want),
    lacking: (mailbox, uids, needle, header) =>
      findLacking(
        store,
        mailbox,
        () => store.read((tx) => readFacts(tx, mailbox, toRanges(uids), ['size'])),
        needle,
        header,
      ),
    holders: async (mailbox, needle) => index && findHolders(store, index, mailbox, needle),
    wordHolders: async (mailbox, word) => index && findWordHolders(store, index, mailbox, word),
    quota: (account) => store.read((tx) => readQuota(tx, account)),
  }
}

async function listSubscriptions(tx: Reader, account: AccountId): Promise<string[]> {
  const names: string[] = []
  for (let after = ''; ; ) {
    const page = await subscriptionRows.list(tx, account, after)
    for (const { name } of page) names.push(name)
    if (page.length < maxRows) return names
    after = page[page.length - 1]!.name
  }
}

async function readChanges(tx: Reader, id: MailboxId, since: number) {
  const row = await mailboxRows.find(tx, id)
  if (!row) return undefined
  const blocks: FlagBlock[] = []
  for (let after = -1; row.modseq > since; ) {
    const page = await flagRows.changedSince(tx, id, since, after)
    blocks.push(...page)
    if (page.length < flagRows.blocksPerPage) break
    after = page[page.length - 1]!.block
  }
  return { mailbox: toMailbox(row), keywords: await loadKeywords(tx, id), blocks }
}

/** A page of blocks at a time: the history of a mailbox may be longer than the mailbox. */
async function readExpunged(store: ReadStore, id: MailboxId, since: number, uids: Ranges): Promise<Ranges> {
  const asked = normaliseRanges(uids)
  const gone = createRangeList()
  const last = asked[asked.length - 1]?.[1] ?? 0
  for (let after = (asked[0]?.[0] ?? 1) >>> 8, done = last === 0; !done; ) {
    const page = await store.read((tx) => flagRows.changedSince(tx, id, since, after - 1))
    for (const { block, count, present, modseqs } of page)
      for (let slot = 0; slot < count; slot++) {
        const uid = block * 256 + slot
        if (present[slot] === 0 && modseqs[slot]! > since && modseqs[slot]! > 0 && inRanges(asked, uid)) gone.add(uid)
      }
    after = (page[page.length - 1]?.block ?? 0) + 1
    done = page.length < flagRows.blocksPerPage || after * 256 > last
    // Other connections of this thread have their turn.
    if (!done) await new Promise((resolve) => setImmediate(resolve))
  }
  return gone.ranges
}

async function readRows(tx: Reader, mailbox: MailboxId, uids: Ranges, want: RowFields): Promise<MessageRow[]> {
  const asked = normaliseRanges(uids)
  const columns = {
    envelope: want.envelope ? 1 : 0,
    bodystructure: want.bodystructure ? 1 : 0,
    structure: want.structure ? 1 : 0,
    preview: want.preview ? 1 : 0,
  }
  const isLean = columns.envelope + columns.bodystructure + columns.structure + columns.preview === 0
  if (isLean) {
    const [first] = asked
    if (want.bytes && asked.length === 1 && first![0] === first![1]) return readWhole(tx, mailbox, first![0])
    const rows = await readPages(asked, maxRows, (from, to) => messageRows.lean(tx, mailbox, from, to, maxRows))
    return rows.map(toLean)
  }
  const size = pageOf(columns)
  const rows = await readPages(asked, size, (from, to) => messageRows.full(tx, mailbox, from, to, size, columns))
  return rows.map(toFull)
}

export async function readFacts(
  tx: Reader,
  mailbox: MailboxId,
  uids: Ranges,
  want: readonly Fact[],
): Promise<MessageFacts[]> {
  const asked = normaliseRanges(uids)
  // Single messages here and there: one statement for all instead of one for each.
  if (joinNear(asked).length > maxRanges && countRanges(asked) <= maxRows)
    return messageRows.factsOf(tx, mailbox, [...eachInRanges(asked)], want)
  return readPages(asked, maxRows, (from, to) => messageRows.facts(tx, mailbox, from, to, maxRows, want))
}

/** The first 1,000 rows of the asked, read in statements of `size` rows. */
async function readPages<Row extends { readonly uid: number }>(
  asked: Ranges,
  size: number,
  read: (from: number, to: number) => Promise<Row[]>,
): Promise<Row[]> {
  const out: Row[] = []
  for (const [from, to] of joinNear(asked)) {
    for (let next = from; next <= to && out.length < maxRows; ) {
      const page = await read(next, to)
      for (const row of page) if (inRanges(asked, row.uid)) out.push(row)
      if (page.length < size) break
      next = page[page.length - 1]!.uid + 1
    }
  }
  return out.length > maxRows ? out.slice(0, maxRows) : out
}

/** Structures may take tens of kilobytes each: fewer of them per statement. */
const pageOf = (columns: { structure: number; bodystructure: number }) =>
  columns.structure + columns.bodystructure > 0 ? 100 : maxRows

/** Ranges that lie close together as one. */
function joinNear(ranges: Ranges): [number, number][] {
  const out: [number, number][] = []
  for (const [from, to] of ranges) {
    const last = out[out.length - 1]
    if (last && from - last[1] <= maxGap) last[1] = to
    else out.push([from, to])
  }
  return out
}

function toLean(row: messageRows.LeanRow): MessageRow {
  return {
    uid: row.uid,
    message: row.message as MessageRow['message'],
    content: row.content as MessageRow['content'],
    thread: row.thread as MessageRow['thread'],
    size: row.size,
    prefixSize: row.size - row.contentSize,
    receivedAt: row.receivedAt,
    savedAt: row.savedAt,
    sentAt: row.sentAt ?? undefined,
    file: row.file ?? undefined,
    has8bit: row.has8bit === 1,
  }
}

function toFull(full: messageRows.FullRow): MessageRow {
  return {
    ...toLean(full),
    envelope: full.envelope ?? undefined,
    bodystructure: full.bodystructure ?? undefined,
    structure: full.structure === null ? undefined : JSON.parse(full.structure),
    preview: full.preview ?? undefined,
  }
}

const gone = () => new Fault('not-found', 'the message is gone')

async function readBytes(store: ReadStore, row: MessageRow, start: number, end: number): Promise<Buffer> {
  const from = Math.max(0, start)
  const to = Math.min(end, row.size)
  if (from >= to) return Buffer.alloc(0)
  if (row.bytes) return row.bytes.subarray(from, to)
  if (from >= row.prefixSize) return readContent(store, row, from - row.prefixSize, to - row.prefixSize)
  const prefix = await store.read((tx) => messageRows.prefix(tx, row.message))
  if (!prefix) throw gone()
  const head = toBuffer(prefix).subarray(from, to)
  if (to <= row.prefixSize) return head
  return Buffer.concat([head, await readContent(store, row, 0, to - row.prefixSize)])
}

async function readWhole(tx: Reader, mailbox: MailboxId, uid: number): Promise<MessageRow[]> {
  const found = await messageRows.whole(tx, mailbox, uid, smallBytes)
  if (!found) return []
  const { prefix, data } = found
  return [data === null ? toLean(found) : { ...toLean(found), bytes: joinBytes(prefix, data) }]
}

const joinBytes = (prefix: Uint8Array, data: Uint8Array) =>
  prefix.length === 0 ? toBuffer(data) : Buffer.concat([prefix, data])

async function readWholes(tx: Reader, mailbox: MailboxId, uids: readonly number[]) {
  const rows = await messageRows.wholes(tx, mailbox, uids)
  notePassing(rows.reduce((sum, { data }) => sum + data.length, 0))
  return rows.map(({ uid, prefix, data }) => ({ uid, bytes: joinBytes(prefix, data) }))
}

/** Bytes of the content alone. */
async function readContent(store: ReadStore, row: MessageRow, start: number, end: number): Promise<Buffer> {
  if (row.file !== undefined) return store.blobs.read(row.file, start, end)
  const data = await store.read((tx) => contentRows.data(tx, row.content, start, end))
  if (!data) throw gone()
  return toBuffer(data)
}

async function* streamBytes(store: ReadStore, row: MessageRow, start: number, end: number): AsyncIterable<Buffer> {
  const inHead = Math.min(end, row.prefixSize)
  if (start < inHead) yield await readBytes(store, row, start, inHead)
  const from = Math.max(start, row.prefixSize)
  const to = Math.min(end, row.size)
  if (from >= to) return
  if (row.file !== undefined) {
    yield* store.blobs.stream(row.file, from - row.prefixSize, to - row.prefixSize)
    return
  }
  const bytes = await readBytes(store, row, from, to)
  for (let i = 0; i < bytes.length; i += chunkSize) yield bytes.subarray(i, i + chunkSize)
}

async function readQuota(tx: Reader, account: AccountId) {
  const row = await mailboxRows.usage(tx, account)
  if (!row) throw new Fault('not-found', 'there is no such account')
  const { usedBytes, usedMessages, quotaBytes, quotaMessages } = row
  return { usedBytes, usedMessages, quotaBytes: quotaBytes ?? undefined, quotaMessages: quotaMessages ?? undefined }
}
