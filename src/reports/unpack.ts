// What a report is packed in: gzip, zip, or nothing. Told by the first bytes, whatever the part is called. An archive may be a bomb: what it
// may unpack to is settled before anything is unpacked. Loaded when the first report comes.

import { promisify } from 'node:util'
import { gunzip, inflateRaw } from 'node:zlib'
import { reportLimits as limits } from './limits.ts'
import { MalformedReport } from './types.ts'

const gunzipAsync = promisify(gunzip)
const inflateRawAsync = promisify(inflateRaw)

/** The documents in an attachment, at most `limits.unpacked` bytes of all together. MalformedReport: packed wrongly, or too much. */
export async function unpack(bytes: Buffer): Promise<Buffer[]> {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return [await inflate(gunzipAsync, bytes, allowed(bytes.length))]
  if (bytes.length > 3 && bytes.readUInt32LE(0) === localHeader) return unzip(bytes)
  if (bytes.length > limits.unpacked) throw new MalformedReport('it is too large')
  return [bytes]
}

/** Bytes that so many packed ones may become. */
const allowed = (packed: number): number => Math.min(limits.unpacked, Math.max(limits.ratioFrom, packed * limits.ratio))

type Inflate = (bytes: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>

async function inflate(by: Inflate, bytes: Buffer, maxOutputLength: number): Promise<Buffer> {
  try {
    return await by(bytes, { maxOutputLength })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new MalformedReport('it unpacks to more than a report has')
    throw new MalformedReport(`it cannot be unpacked: ${(error as Error).message}`)
  }
}

const localHeader = 0x04034b50
const centralHeader = 0x02014b50
const endHeader = 0x06054b50
const endSize = 22
const maxComment = 0xffff

/** The files of a zip, as its directory names them. Archives in archives, encrypted files and other methods are left out. */
async function unzip(bytes: Buffer): Promise<Buffer[]> {
  const files: Buffer[] = []
  let left = allowed(bytes.length)
  for (const { method, encrypted, start, packed } of readDirectory(bytes)) {
    if (encrypted || (method !== 0 && method !== 8)) continue
    const data = bytes.subarray(start, start + packed)
    if (method === 0 && data.length > left) throw new MalformedReport('it unpacks to more than a report has')
    const file = method === 0 ? data : await inflate(inflateRawAsync, data, Math.max(left, 1))
    left -= file.length
    files.push(file)
  }
  if (files.length === 0) throw new MalformedReport('the zip has no file that can be read')
  return files
}

interface Entry {
  readonly method: number
  readonly encrypted: boolean
  readonly start: number
  readonly packed: number
}

/** The central directory, which alone says what belongs to the archive. Never reads outside of the bytes. */
function readDirectory(bytes: Buffer): Entry[] {
  const end = findEnd(bytes)
  const count = bytes.readUInt16LE(end + 10)
  let at = bytes.readUInt32LE(end + 16)
  if (count === 0xffff || at === 0xffff_ffff) throw new MalformedReport('the zip is of the 64-bit kind')
  if (count > limits.files) throw new MalformedReport(`the zip has ${count} files`)
  const entries: Entry[] = []
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== centralHeader) throw broken()
    const local = bytes.readUInt32LE(at + 42)
    const packed = bytes.readUInt32LE(at + 20)
    if (local + 30 > bytes.length || bytes.readUInt32LE(local) !== localHeader) throw broken()
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    if (start + packed > bytes.length) throw broken()
    const isFolder = bytes.readUInt32LE(at + 24) === 0
    const encrypted = (bytes.readUInt16LE(at + 8) & 1) === 1
    if (!isFolder) entries.push({ method: bytes.readUInt16LE(at + 10), encrypted, start, packed })
    at += 46 + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
  }
  return entries
}

const broken = () => new MalformedReport('the zip is broken')

function findEnd(bytes: Buffer): number {
  const least = Math.max(0, bytes.length - endSize - maxComment)
  for (let at = bytes.length - endSize; at >= least; at--) if (bytes.readUInt32LE(at) === endHeader) return at
  throw broken()
}
