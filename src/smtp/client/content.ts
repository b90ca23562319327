// The bytes of a message on their way out: by DATA with dots stuffed, or counted by BDAT (RFC 3030 §2). What leaves here as text
// has CRLF and nothing else as line ends, whatever was stored.

import { DotEncoder, LineEncoder, type Reply } from '../wire/index.ts'
import type { Channel } from './channel.ts'
import type { Timeouts } from './connect.ts'
import type { OutgoingMail } from './types.ts'

/** Pieces written in one call; more are joined first, since each costs the kernel a look. */
const maxPieces = 64
const maxCopied = 16_384
/** Chunks of BDAT whose answers have not come: more than a connection's buffers hold of 64 KiB each. */
const maxUnanswered = 16

/** A message that is wholly in memory, with dots stuffed and its end. */
export function stuff(whole: Buffer): readonly Buffer[] {
  const encoder = new DotEncoder()
  const pieces: Buffer[] = []
  encoder.encode(whole, pieces)
  pieces.push(encoder.end())
  return join(pieces)
}

/** A message that is wholly in memory, as the one chunk of BDAT. */
export function toChunk(
  whole: Buffer,
  binary: boolean,
): { readonly command: string; readonly pieces: readonly Buffer[] } {
  const pieces: Buffer[] = []
  if (binary) pieces.push(whole)
  else {
    const encoder = new LineEncoder()
    encoder.encode(whole, pieces)
    pieces.push(encoder.end())
  }
  return { command: `BDAT ${lengthOf(pieces)} LAST`, pieces: join(pieces) }
}

/**
 * Sends the content after 354. Lines longer than 998 octets go out as they are: folding them would break signatures, and every
 * server takes them. `early`: the server answered before it had everything, and the end was not sent.
 */
export async function sendText(channel: Channel, timeouts: Timeouts, mail: OutgoingMail): Promise<'sent' | 'early'> {
  if (channel.unread) return 'early'
  if (mail.whole) {
    await channel.writeData(stuff(mail.whole), timeouts.data)
    return 'sent'
  }
  const encoder = new DotEncoder()
  for await (const chunk of mail.data()) {
    const pieces: Buffer[] = []
    encoder.encode(chunk, pieces)
    await channel.writeData(join(pieces), timeouts.data)
    if (channel.unread) return 'early'
  }
  await channel.writeData([encoder.end()], timeouts.data)
  return 'sent'
}

/**
 * Sends the content as chunks. The answer of the first chunk that was refused, all answers read; undefined when the last one was
 * sent, whose answers are still to come.
 */
export async function sendChunks(
  channel: Channel,
  { timeouts, ahead }: { readonly timeouts: Timeouts; readonly ahead: boolean },
  mail: OutgoingMail,
): Promise<Reply | undefined> {
  let unanswered = 0
  let refused: Reply | undefined
  const hear = async (most: number) => {
    while (unanswered > most) {
      const answer = await channel.read(timeouts.end, 'data')
      unanswered--
      if (answer.code !== 250) refused ??= answer
    }
  }
  let held: Buffer[] | undefined
  for await (const pieces of toChunks(mail)) {
    if (held) {
      await writeChunk(channel, timeouts, held, false)
      unanswered++
      await hear(ahead ? Math.min(maxUnanswered, channel.unread ? unanswered - 1 : unanswered) : 0)
      if (refused) break
    }
    held = pieces
  }
  // The last chunk is what delivers: it goes when all before it are known to be taken.
  await hear(0)
  if (!refused) await writeChunk(channel, timeouts, held ?? [], true)
  return refused
}

async function* toChunks(mail: OutgoingMail): AsyncGenerator<Buffer[]> {
  const encoder = mail.binary ? undefined : new LineEncoder()
  for await (const chunk of mail.data()) {
    const pieces: Buffer[] = []
    if (encoder) encoder.encode(chunk, pieces)
    else pieces.push(chunk)
    yield pieces
  }
  const end = encoder?.end()
  if (end && end.length > 0) yield [end]
}

async function writeChunk(
  channel: Channel,
  timeouts: Timeouts,
  pieces: readonly Buffer[],
  last: boolean,
): Promise<void> {
  const size = lengthOf(pieces)
  const head = Buffer.from(`BDAT ${size}${last ? ' LAST' : ''}\r\n`)
  await channel.writeData(join([head, ...pieces]), timeouts.data)
}

function lengthOf(pieces: readonly Buffer[]): number {
  let size = 0
  for (const piece of pieces) size += piece.length
  return size
}

/** Small pieces are cheaper to copy than to hand over one by one. */
const join = (pieces: readonly Buffer[]): readonly Buffer[] =>
  pieces.length > 1 && (pieces.length > maxPieces || lengthOf(pieces) < maxCopied) ? [Buffer.concat(pieces)] : pieces
