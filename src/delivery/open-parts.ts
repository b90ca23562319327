// A message that was spooled, as its header and what follows it.

import type { NewContent } from '../mail/index.ts'
import type { Part } from '../mime/index.ts'
import type { Blobs } from '../store/index.ts'

export interface MessageParts {
  /** With the empty line. */
  readonly header: Buffer
  /** A file is not read before it is asked for. */
  body(): Buffer | AsyncIterable<Uint8Array>
}

/** A message on its way through the checks: who needs its header first opens it for all. */
export interface OpenMessage {
  /** Header and body, bytes. */
  readonly size: number
  open(): Promise<MessageParts>
}

export function openOnce(blobs: Pick<Blobs, 'read' | 'stream'>, content: NewContent): OpenMessage {
  let parts: Promise<MessageParts> | undefined
  return { size: content.size, open: () => (parts ??= openParts(blobs, content)) }
}

export async function openParts(blobs: Pick<Blobs, 'read' | 'stream'>, content: NewContent): Promise<MessageParts> {
  const { body: split } = JSON.parse(content.structure) as Part
  if (content.bytes) {
    const bytes = Buffer.from(content.bytes.buffer, content.bytes.byteOffset, content.bytes.length)
    return { header: bytes.subarray(0, split), body: () => bytes.subarray(split) }
  }
  const file = content.file!
  return { header: await blobs.read(file, 0, split), body: () => blobs.stream(file, split, content.size) }
}
