// DER, as little of it as certificates and requests need (ITU-T X.690). Node reads certificates itself; what it does not tell of them is
// found with `readDer`.

/** One value with its tag and length. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body])
}

export const sequence = (...items: readonly Uint8Array[]) => der(0x30, ...items)
export const set = (...items: readonly Uint8Array[]) => der(0x31, ...items)
export const utf8 = (text: string) => der(0x0c, Buffer.from(text))
export const octets = (bytes: Uint8Array) => der(0x04, bytes)
/** A bit string of whole bytes, or with `unused` bits at its end. */
export const bits = (bytes: Uint8Array, unused = 0) => der(0x03, Buffer.from([unused]), bytes)
/** A positive integer of big-endian bytes. */
export const integer = (bytes: Uint8Array) => der(0x02, bytes[0]! & 0x80 ? Buffer.from([0]) : Buffer.alloc(0), bytes)
export const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]))
/** The `n`th context tag around `contents`; `constructed` when these are values themselves. */
export const tagged = (n: number, constructed: boolean, ...contents: readonly Uint8Array[]) =>
  der((constructed ? 0xa0 : 0x80) | n, ...contents)

/** An object identifier such as `2.5.29.17`. */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((n) => {
    const groups = [n & 0x7f]
    for (let left = Math.floor(n / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return der(0x06, Buffer.from(bytes))
}

/** A time of a certificate: two-digit years until 2049, then four (RFC 5280 §4.1.2.5). */
export function time(ms: number): Buffer {
  const text = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
  return Number(text.slice(0, 4)) < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}

/** One value that was read: its tag, and where in the bytes its contents stand. */
export interface DerValue {
  readonly tag: number
  readonly start: number
  readonly end: number
}

/** The value at `at`, of bytes that Node has parsed before. Throws RangeError when it goes beyond `end`. */
export function readDer(bytes: Buffer, at: number, end = bytes.length): DerValue {
  const tag = bytes.readUInt8(at)
  const first = bytes.readUInt8(at + 1)
  const more = first < 0x80 ? 0 : first & 0x7f
  if (more > 4) throw new RangeError('a length of more than four bytes')
  const start = at + 2 + more
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more)
  if (start + length > end) throw new RangeError('a value goes beyond what holds it')
  return { tag, start, end: start + length }
}

/** The values inside `within`, in order. */
export function derChildren(bytes: Buffer, within: DerValue): DerValue[] {
  const found: DerValue[] = []
  for (let at = within.start; at < within.end; at = found.at(-1)!.end) found.push(readDer(bytes, at, within.end))
  return found
}
