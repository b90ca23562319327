// A binary message (RFC 3030 §3) as mailboxes keep it: NUL, bare CR or LF and lines without end cannot be told to every reader, so
// that parts which hold them are put into base64. What each part decodes to stays; what leaves the house is the message as it came.

import { createSpool, type NewContent } from '../../mail/index.ts'
import { convert, planConversion } from '../../mime/index.ts'
import type { Blobs } from '../../store/index.ts'

/** The message with lines; itself when it has them already, or when it cannot be converted (signed, or too deep). */
export async function toKept(content: NewContent, blobs: Blobs): Promise<NewContent> {
  const read = () => readContent(content, blobs)
  const plan = await planConversion(read, '8bit')
  if ('problem' in plan || plan.steps.every(({ kind }) => kind === 'copy')) return content
  const spool = createSpool({ blobs, maxSize: Number.MAX_SAFE_INTEGER })
  try {
    for await (const chunk of convert(plan, read())) await spool.write(Buffer.from(chunk))
    return await spool.finish()
  } catch (error) {
    await spool.abort()
    throw error
  }
}

async function* readContent({ bytes, file }: NewContent, blobs: Blobs): AsyncGenerator<Buffer> {
  if (bytes) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  else yield* blobs.stream(file!)
}
