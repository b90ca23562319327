// The texts that SEARCH looks in, decoded from the bytes of messages: many small ones with one statement, a large one window by window.

import { isAscii } from 'node:buffer'
import type { MailboxId } from '../base/index.ts'
import { literalWord, type Part, scanLimits, searchBody, searchHeader } from '../mime/index.ts'
import { messageRows, type ReadStore, toBuffer } from '../store/index.ts'
import type { MessageFacts, TextWindow } from './types.ts'

/** What one page reads: that much is decoded, and its words counted, in ten milliseconds at most. */
const pageBytes = 524_288
const pageRows = 125

/** What of a text is decoded. */
export interface WantedText {
  readonly header: boolean
  readonly body: boolean
}

/** Texts of the messages whose UIDs and sizes are given, ascending; see MailReads.texts. */
export async function* readTexts(
  store: ReadStore,
  mailbox: MailboxId,
  sizes: () => Promise<readonly MessageFacts[]>,
  want: WantedText,
): AsyncGenerator<readonly TextWindow[]> {
  for (const uids of pages(await sizes())) {
    // Those that stand in the database go together: handing each over by itself costs as much as decoding it.
    let windows: TextWindow[] = []
    for (const row of await store.read((tx) => messageRows.bytes(tx, mailbox, uids))) {
      if (row.file === null) {
        for (const window of decodeText(row, want)) windows.push(window)
        continue
      }
      if (windows.length > 0) yield windows
      windows = []
      for await (const window of readText(store, row, want)) yield [window]
    }
    if (windows.length > 0) yield windows
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

/** See MailReads.lacking. */
export async function findLacking(
  store: ReadStore,
  mailbox: MailboxId,
  sizes: () => Promise<readonly MessageFacts[]>,
  needle: string,
  header: boolean,
): Promise<ReadonlySet<number>> {
  const found = new Set<number>()
  const word = literalWord(needle)
  if (word === '') return found
  for (const uids of pages(await sizes())) {
    for (const uid of uids) found.add(uid)
    for (const { uid, holds, prefix } of await store.read((tx) => messageRows.holding(tx, mailbox, uids, word, header)))
      if (holds === 1 || !prefix || !isLiteralWithout(toBuffer(prefix), word)) found.delete(uid)
    await turn()
  }
  return found
}

/** Whether these lines of a header are literal and lack the word. */
function isLiteralWithout(prefix: Buffer, word: string | undefined): boolean {
  if (!isAscii(prefix) || prefix.includes('=?')) return false
  return word === undefined || !prefix.toString('latin1').toLowerCase().includes(word)
}

type TextRow = Omit<messageRows.BytesRow, 'size'>
/** Asks for bytes, gives windows. */
type Steps = Generator<readonly [start: number, end: number] | TextWindow, void, Buffer>

/** The text of one message, or of a content when there is no prefix. */
export async function* readText(store: ReadStore, row: TextRow, want: WantedText): AsyncGenerator<TextWindow> {
  const { file } = row
  if (file === null) {
    yield* decodeText(row, want)
    return
  }
  const steps = textSteps(row, want)
  for (let step = steps.next(); !step.done; ) {
    if ('uid' in step.value) {
      yield step.value
      await turn()
      step = steps.next()
    } else step = steps.next(await store.blobs.read(file, ...step.value))
  }
}

/** The same of bytes that are here. */
function* decodeText(row: TextRow, want: WantedText): Generator<TextWindow> {
  const data = toBuffer(row.data!)
  const steps = textSteps(row, want)
  for (let step = steps.next(); !step.done; ) {
    if ('uid' in step.value) {
      yield step.value
      step = steps.next()
    } else step = steps.next(data.subarray(...step.value))
  }
}

function* textSteps({ uid, prefix, structure }: TextRow, want: WantedText): Steps {
  const root = JSON.parse(structure) as Part
  let header = ''
  if (want.header) {
    const top = (yield [0, Math.min(root.body, scanLimits.headerBytes)]) as Buffer
    header = searchHeader(prefix.length > 0 ? Buffer.concat([prefix, top]) : top)
  }
  // One window is held back, so that the last can be told as the last.
  let held: TextWindow = { uid, header, body: '', last: true }
  let first = true
  const steps = searchBody(root)
  for (let step = want.body ? steps.next() : undefined; step && !step.done; ) {
    if (typeof step.value !== 'string') {
      step = steps.next((yield step.value) as Buffer)
      continue
    }
    if (!first) yield { ...held, last: false }
    held = { uid, header: first ? header : '', body: step.value, last: true }
    first = false
    step = steps.next()
  }
  yield held
}
