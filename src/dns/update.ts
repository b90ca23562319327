// Dynamic updates of a zone (RFC 2136), signed with a shared key (TSIG, RFC 8945): adds and takes away TXT records. Knows not what for.

import { createHmac, randomInt, timingSafeEqual } from 'node:crypto'
import { type Clock, Fault } from '../base/index.ts'
import { parseServer } from './servers.ts'
import { exchange } from './transport.ts'
import { toName } from './wire.ts'

export const tsigAlgorithms = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const
export type TsigAlgorithm = (typeof tsigAlgorithms)[number]

export interface TsigKey {
  readonly name: string
  readonly algorithm: TsigAlgorithm
  readonly secret: Buffer
}

export interface Update {
  /** Of the primary: `ip` or `ip:port`. */
  readonly server: string
  readonly zone: string
  readonly key?: TsigKey
  readonly name: string
  /** At most 255 bytes. */
  readonly value: string
  /** False: takes exactly this record away. */
  readonly add: boolean
}

const ttl = 60
const timeoutMs = 10_000
const [typeSoa, typeTxt, typeTsig] = [6, 16, 250]
const [classIn, classNone, classAny] = [1, 254, 255]
const opcodeUpdate = 5 << 11
const fudge = 300
const headerSize = 12

/** Changes one record. Fault `denied` when the server does not want it from us, `unavailable` when it cannot do it now; `invalid` for a bad server. */
export async function update(change: Update, clock: Clock): Promise<void> {
  const server = parseServer(change.server)
  const id = randomInt(65_536)
  const plain = formatUpdate(id, change)
  const signed = change.key && sign(plain, change.key, Math.floor(clock.now() / 1000))
  const answer = await exchange({ server, message: signed?.message ?? plain, timeoutMs, clock })
  const fail = (words: string) => new Fault('unavailable', `the name server ${change.server}: ${words}`)
  if (typeof answer === 'string') throw fail(answer)
  const found = readAnswer(answer, id)
  if (!found) throw fail('an answer that cannot be read')
  if (found.rcode !== 0) throw refusal(change, found)
  // RFC 8945 §5.4: what is not signed with our key was said by anybody.
  if (change.key && signed && !isSigned(answer, found, change.key, signed.mac))
    throw fail('an answer that is not signed with our key')
}

/** The update without a signature. */
export function formatUpdate(id: number, { zone, name, value, add }: Update): Buffer {
  const text = Buffer.from(value)
  if (text.length > 255) throw new Fault('invalid', 'a TXT string of more than 255 bytes')
  const header = numbers(id, opcodeUpdate, 1, 0, 1, 0)
  const record = Buffer.concat([
    encodeName(name),
    numbers(typeTxt, add ? classIn : classNone, 0, add ? ttl : 0, text.length + 1),
    Buffer.from([text.length]),
    text,
  ])
  return Buffer.concat([header, encodeName(zone), numbers(typeSoa, classIn), record])
}

/** Numbers of 16 bits. */
function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length)
  values.forEach((value, i) => void bytes.writeUInt16BE(value, 2 * i))
  return bytes
}

function time48(seconds: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(seconds, 0, 6)
  return bytes
}

/** Uncompressed and in lower case, as it is signed (RFC 8945 §4.3.3). */
function encodeName(text: string): Buffer {
  const name = toName(text)
  const labels = name === '' ? [] : name.split('.')
  if (name.length > 253 || labels.some((label) => label.length === 0 || label.length > 63))
    throw new Fault('invalid', `${text} is no name`)
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]),
    Buffer.alloc(1),
  ])
}

function sign(message: Buffer, key: TsigKey, now: number): { readonly message: Buffer; readonly mac: Buffer } {
  const mac = hmac(key, [message, variables(key, time48(now), numbers(fudge), numbers(0, 0))])
  const data = Buffer.concat([
    encodeName(key.algorithm),
    time48(now),
    numbers(fudge, mac.length),
    mac,
    message.subarray(0, 2),
    numbers(0, 0),
  ])
  const record = Buffer.concat([encodeName(key.name), numbers(typeTsig, classAny, 0, 0, data.length), data])
  const signed = Buffer.concat([message, record])
  signed.writeUInt16BE(1, 10)
  return { message: signed, mac }
}

/** What is signed besides the message (RFC 8945 §4.3.3). `rest`: error, length of other data, other data. */
const variables = (key: TsigKey, time: Buffer, fudge: Buffer, rest: Buffer): Buffer =>
  Buffer.concat([encodeName(key.name), numbers(classAny, 0, 0), encodeName(key.algorithm), time, fudge, rest])

function hmac({ algorithm, secret }: TsigKey, pieces: readonly Buffer[]): Buffer {
  const made = createHmac(algorithm.slice('hmac-'.length), secret)
  for (const piece of pieces) made.update(piece)
  return made.digest()
}

interface Tsig {
  /** Where its record begins: the message that it signs ends there. */
  readonly at: number
  readonly time: Buffer
  readonly fudge: Buffer
  readonly mac: Buffer
  readonly originalId: Buffer
  readonly error: number
  /** From its error on. */
  readonly rest: Buffer
}
interface Found {
  readonly rcode: number
  readonly tsig?: Tsig
}

/** What the server said to the update `id`; undefined when it is no such answer or broken. */
export function readAnswer(bytes: Buffer, id: number): Found | undefined {
  try {
    if (bytes.readUInt16BE(0) !== id || (bytes.readUInt8(2) & 0x80) === 0) return undefined
    const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at))
    const rcode = bytes.readUInt8(3) & 15
    let at = headerSize
    for (let i = 0; i < counts[0]!; i++) at = skipName(bytes, at) + 4
    let tsig: Tsig | undefined
    for (let i = 0; i < counts[1]! + counts[2]! + counts[3]!; i++) {
      const fixed = skipName(bytes, at)
      const end = fixed + 10 + bytes.readUInt16BE(fixed + 8)
      if (end > bytes.length) return undefined
      if (bytes.readUInt16BE(fixed) === typeTsig) tsig = readTsig(bytes.subarray(0, end), at, fixed + 10)
      at = end
    }
    return { rcode, ...(tsig && { tsig }) }
  } catch {
    return undefined
  }
}

function skipName(bytes: Buffer, from: number): number {
  for (let at = from; ; ) {
    const length = bytes.readUInt8(at)
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2
    at += 1 + length
  }
}

function readTsig(bytes: Buffer, at: number, data: number): Tsig {
  const from = skipName(bytes, data)
  const size = bytes.readUInt16BE(from + 8)
  const rest = bytes.subarray(from + 12 + size)
  return {
    at,
    time: bytes.subarray(from, from + 6),
    fudge: bytes.subarray(from + 6, from + 8),
    mac: bytes.subarray(from + 10, from + 10 + size),
    originalId: bytes.subarray(from + 10 + size, from + 12 + size),
    error: rest.readUInt16BE(0),
    rest,
  }
}

/** RFC 8945 §4.3.1: the signature of an answer covers that of the request. */
function isSigned(bytes: Buffer, { tsig }: Found, key: TsigKey, requestMac: Buffer): boolean {
  if (!tsig) return false
  const message = Buffer.from(bytes.subarray(0, tsig.at))
  tsig.originalId.copy(message, 0)
  message.writeUInt16BE(message.readUInt16BE(10) - 1, 10)
  const { time, fudge, rest } = tsig
  const expected = hmac(key, [numbers(requestMac.length), requestMac, message, variables(key, time, fudge, rest)])
  return expected.length === tsig.mac.length && timingSafeEqual(expected, tsig.mac)
}

const rcodes: Readonly<Record<number, string>> = {
  1: 'it did not understand the update',
  2: 'it failed',
  3: 'there is no such name',
  4: 'it takes no updates',
  5: 'it refuses updates from us: its configuration must allow this key to change TXT records there',
  9: 'it is not the primary of the zone, or does not trust our key',
  10: 'the name is not in the zone',
}
const tsigErrors: Readonly<Record<number, string>> = {
  16: 'the signature is wrong: is the secret the same on both sides?',
  17: 'it does not know the key: are name and algorithm the same on both sides?',
  18: 'its clock and ours differ by more than five minutes',
}

function refusal({ server, zone, name, add }: Update, { rcode, tsig }: Found): Fault {
  const words = (tsig && tsigErrors[tsig.error]) ?? rcodes[rcode] ?? `it answers with code ${rcode}`
  const what = `${add ? 'adding' : 'taking away'} TXT of ${name} in the zone ${zone}`
  return new Fault(rcode === 2 ? 'unavailable' : 'denied', `the name server ${server}, ${what}: ${words}`)
}
