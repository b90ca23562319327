// The texts that SEARCH looks in, decoded from the bytes of messages: many small ones with one statement, a large one window by window.

import type { MailboxId } from '../base/index.ts'
import { type Part, scanLimits, searchBody, searchHeader } from '../mime/index.ts'
import { messageRows, type ReadStore, toBuffer } from '../store/index.ts'
import type { MessageFacts, TextWindow } from './types.ts'

/** What one page reads: that much is decoded in a few milliseconds. */
const pageBytes = 1_048_576
const pageRows = 250

type ReadBytes = (start: number, end: number) => Buffer | Promise<Buffer>

/** Texts of the messages whose UIDs and sizes are given, ascending; see MailReads.texts. */
export async function* readTexts(
  store: ReadStore,
  mailbox: MailboxId,
  sizes: () => Promise<readonly MessageFacts[]>,
  body: boolean,
): AsyncGenerator<TextWindow> {
  for (const uids of pages(await sizes())) {
    for (const row of await store.read((tx) => messageRows.bytes(tx, mailbox, uids))) yield* readText(store, row, body)
    await turn()
  }
}

/** Other connections of this thread have their turn. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** UIDs in groups whose bytes are not too many, were they all in the database. */
function* pages(rows: readonly MessageFacts[]): Generator<number[]> {
  let page: number[] = []
  let bytes = 0
  for (const { uid, size = 0 } of rows) {
    if (page.length > 0 && (page.length === pageRows || bytes + size > pageBytes)) {
      yield page
      page = []
      bytes = 0
    }
    page.push(uid)
    bytes += size
  }
  if (page.length > 0) yield page
}

/** The text of one message, or of a content when there is no prefix. */
export async function* readText(
  store: ReadStore,
  row: Omit<messageRows.BytesRow, 'size'>,
  body: boolean,
): AsyncGenerator<TextWindow> {
  const { uid, file } = row
  const root = JSON.parse(row.structure) as Part
  const read: ReadBytes =
    file === null
      ? (start, end) => toBuffer(row.data!).subarray(start, end)
      : (start, end) => store.blobs.read(file, start, end)
  const top = await read(0, Math.min(root.body, scanLimits.headerBytes))
  const header = searchHeader(row.prefix.length > 0 ? Buffer.concat([row.prefix, top]) : top)
  // One window is held back, so that the last can be told as the last.
  let held: TextWindow = { uid, header, body: '', last: true }
  let first = true
  const steps = searchBody(root)
  for (let step = body ? steps.next() : undefined; step && !step.done; ) {
    if (typeof step.value !== 'string') {
      const bytes = read(...step.value)
      step = steps.next(bytes instanceof Promise ? await bytes : bytes)
      continue
    }
    if (!first) {
      yield { ...held, last: false }
      await turn()
    }
    held = { uid, header: first ? header : '', body: step.value, last: true }
    first = false
    step = steps.next()
  }
  yield held
}
