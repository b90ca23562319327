// The base: what every user's filter begins with, learnt of mail that we wrote or generated (docs/classifier.md). Read once, on first use,
// and shared by all. Knows no user.

/** A token as the base knows it. */
export interface Known {
  /** What it adds to the score: above zero it speaks for spam. */
  readonly weight: number
  /** Shares of spam and of good mail that have it. */
  readonly spam: number
  readonly ham: number
}

/** What is assumed of a token that the base does not know. */
export const unknownRate = 0.002

export interface BaseModel {
  readonly size: number
  /** -1: not known. */
  find(token: number): number
  weight(at: number): number
  spam(at: number): number
  ham(at: number): number
  /** Natural logarithm of the odds that these tokens are spam; what is taken for spam stands above `threshold`. */
  score(tokens: readonly (readonly number[])[]): number
  readonly threshold: number
}

/** As the file has it: weights in steps of `step`, rates as powers of two in sixteenths, tokens ascending. */
export interface BaseData {
  readonly step: number
  readonly bias: number
  readonly threshold: number
  readonly tokens: Int32Array
  readonly weights: Int8Array
  readonly spam: Uint8Array
  readonly ham: Uint8Array
}

const magic = 0x31_43_48_50
const headerSize = 20

export function encodeBase({ step, bias, threshold, tokens, weights, spam, ham }: BaseData): Buffer {
  const header = Buffer.alloc(headerSize)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(tokens.length, 4)
  header.writeFloatLE(step, 8)
  header.writeFloatLE(bias, 12)
  header.writeFloatLE(threshold, 16)
  const numbers = Buffer.alloc(tokens.length * 4)
  for (const [i, token] of tokens.entries()) numbers.writeInt32LE(token, i * 4)
  return Buffer.concat([header, numbers, Buffer.from(weights.buffer), spam, ham])
}

export function decodeBase(bytes: Buffer): BaseData {
  const count = bytes.readUInt32LE(4)
  if (bytes.readUInt32LE(0) !== magic || bytes.length !== headerSize + count * 7)
    throw new Error('the base of the spam filter is damaged')
  const tokens = new Int32Array(count)
  for (let i = 0; i < count; i++) tokens[i] = bytes.readInt32LE(headerSize + i * 4)
  const at = headerSize + count * 4
  return {
    step: bytes.readFloatLE(8),
    bias: bytes.readFloatLE(12),
    threshold: bytes.readFloatLE(16),
    tokens,
    weights: Int8Array.from(bytes.subarray(at, at + count)),
    spam: Uint8Array.from(bytes.subarray(at + count, at + count * 2)),
    ham: Uint8Array.from(bytes.subarray(at + count * 2)),
  }
}

/** A rate as a byte and back. */
export const packRate = (rate: number): number =>
  Math.min(255, Math.max(0, Math.round(-16 * Math.log2(Math.max(rate, 2 ** -15)))))
const rates = Float64Array.from({ length: 256 }, (_, i) => 2 ** (-i / 16))

/** How much a token of a message with `known` tokens counts: a long message is not surer because it is long, a bare one not because it is bare. */
export const share = (known: number): number => 8 / Math.sqrt(Math.max(known, leastKnown) + 1)
const leastKnown = 24

/** Tokens are spread evenly: their first bits lead near to their place. */
const bucketBits = 12

export function openBase({ step, bias, threshold, tokens, weights, spam, ham }: BaseData): BaseModel {
  const starts = new Uint32Array((1 << bucketBits) + 1)
  const bucketOf = (token: number) => (token + 0x8000_0000) >>> (32 - bucketBits)
  for (const token of tokens) starts[bucketOf(token) + 1]!++
  for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!
  const find = (token: number): number => {
    const bucket = bucketOf(token)
    const end = starts[bucket + 1]!
    for (let i = starts[bucket]!; i < end; i++) if (tokens[i] === token) return i
    return -1
  }
  return {
    size: tokens.length,
    threshold,
    find,
    weight: (at) => weights[at]! * step,
    spam: (at) => rates[spam[at]!]!,
    ham: (at) => rates[ham[at]!]!,
    score(lists) {
      let sum = 0
      let known = 0
      for (const list of lists)
        for (const token of list) {
          const at = find(token)
          if (at < 0) continue
          sum += weights[at]!
          known++
        }
      return bias + sum * step * share(known)
    },
  }
}

let opened: Promise<BaseModel> | undefined

/** The base that is shipped. */
export function loadBase(): Promise<BaseModel> {
  opened ??= import('./base-data.ts').then(({ data }) => openBase(decodeBase(Buffer.from(data, 'base64'))))
  return opened
}
