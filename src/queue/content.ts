// The bytes of queued messages: prefix and content, from the database or from their file.

import type { ContentId } from '../base/index.ts'
import { queueRows, type ReadStore, toBuffer } from '../store/index.ts'

interface Source {
  readonly content: ContentId
  readonly prefix: Uint8Array
}

/** A message that can be read as often as wanted. */
export interface Opened {
  readonly data: () => AsyncIterable<Buffer>
  /** The same in one piece, when it stands in the database. */
  readonly whole?: Buffer
}

/** A message of these bytes. */
export function openBytes(whole: Buffer): Opened {
  return {
    whole,
    data: async function* () {
      yield whole
    },
  }
}

/** The whole message, read from the store unless its content is at `hand`; undefined when that is gone. */
export async function openMessage(
  store: ReadStore,
  { content, prefix }: Source,
  hand?: Uint8Array,
): Promise<Opened | undefined> {
  const row = hand ? { file: null, data: hand } : await store.read((tx) => queueRows.contentOf(tx, content))
  const { file, data } = row ?? {}
  if (data) return openBytes(prefix.length === 0 ? toBuffer(data) : Buffer.concat([prefix, data]))
  if (!file) return undefined
  return {
    data: async function* () {
      if (prefix.length > 0) yield toBuffer(prefix)
      yield* store.blobs.stream(file)
    },
  }
}

/** The first `limit` bytes of a message. */
export async function readStart(store: ReadStore, source: Source, limit: number): Promise<Buffer> {
  const opened = await openMessage(store, source)
  if (!opened) return toBuffer(source.prefix)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of opened.data()) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= limit) break
  }
  return Buffer.concat(chunks).subarray(0, limit)
}

/** The header with its empty line; all when there is none. */
export function cutHeader(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n\r\n')
  return end < 0 ? bytes : bytes.subarray(0, end + 4)
}
