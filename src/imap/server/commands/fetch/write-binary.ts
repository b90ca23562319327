// BINARY and BINARY.SIZE (RFC 3516): a part without its transfer encoding. A large part is decoded piece by piece, once to be measured
// and once to be sent, and never stands in memory whole.

import type { MailReads, MessageRow } from '../../../../mail/index.ts'
import { isIdentity, openTransfer } from '../../../../mime/index.ts'
import type { BinaryItem } from '../../../wire/index.ts'
import type { Output } from '../../output.ts'
import type { Encoded } from './section.ts'

/** Encoded bytes that are decoded at once. */
const AT_ONCE = 256 * 1024

/** Writes the item; a part that does not exist is NIL, its size 0. */
export async function writeBinary(
  reads: Pick<MailReads, 'stream'>,
  out: Output,
  row: MessageRow,
  { kind, label, partial }: BinaryItem,
  part: Encoded | undefined,
): Promise<void> {
  if (kind === 'binarysize') return out.text(`${label} ${part ? await sizeOf(reads, out, row, part) : 0}`)
  if (!part) return out.text(`${label} NIL`)
  const from = partial?.offset ?? 0
  const window = { from, to: from + (partial?.length ?? Number.MAX_SAFE_INTEGER) }
  const small = part.end - part.start <= AT_ONCE
  if (small) {
    const pieces = []
    for await (const piece of decode(reads, out, row, part, window)) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    writeHead(out, label, bytes.length, bytes.includes(0))
    if (bytes.length > 0) out.bytes(bytes)
    return
  }
  const { size, nul } = await measure(decode(reads, out, row, part, window))
  writeHead(out, label, size, nul)
  for await (const piece of decode(reads, out, row, part, window)) out.bytes(piece)
}

/** Only what holds NUL is a literal8 (RFC 3516 §4.3): older clients know no other literal. */
function writeHead(out: Output, label: string, size: number, nul: boolean): void {
  out.text(size === 0 ? `${label} ""` : `${label} ${nul ? '~' : ''}{${size}}\r\n`)
}

async function sizeOf(reads: Pick<MailReads, 'stream'>, out: Output, row: MessageRow, part: Encoded): Promise<number> {
  if (isIdentity(part.encoding)) return part.end - part.start
  const all = { from: 0, to: Number.MAX_SAFE_INTEGER }
  return (await measure(decode(reads, out, row, part, all))).size
}

async function measure(pieces: AsyncIterable<Buffer>): Promise<{ size: number; nul: boolean }> {
  let size = 0
  let nul = false
  for await (const piece of pieces) {
    size += piece.length
    nul ||= piece.includes(0)
  }
  return { size, nul }
}

/** Offsets of decoded bytes, `to` exclusive. */
interface Window {
  readonly from: number
  readonly to: number
}

/** The decoded bytes within the window, in pieces; reads no further than the window. */
async function* decode(
  reads: Pick<MailReads, 'stream'>,
  out: Output,
  row: MessageRow,
  { start, end, encoding }: Encoded,
  { from, to }: Window,
): AsyncGenerator<Buffer> {
  if (isIdentity(encoding)) {
    for await (const chunk of reads.stream(row, Math.min(start + from, end), Math.min(start + to, end))) {
      yield chunk
      await out.pace()
    }
    return
  }
  const transfer = openTransfer(encoding)
  let at = 0
  for await (const chunk of reads.stream(row, start, end)) {
    const piece = transfer.write(chunk)
    const wanted = piece.subarray(Math.max(0, from - at), Math.max(0, to - at))
    at += piece.length
    if (wanted.length > 0) yield wanted
    await out.pace()
    if (at >= to) return
  }
  const rest = transfer.end().subarray(Math.max(0, from - at), Math.max(0, to - at))
  if (rest.length > 0) yield rest
}
