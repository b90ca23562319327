// What must change in a message for a host that takes less than it has (RFC 6152 §3, RFC 3030 §3): which parts are encoded anew
// and how. Reads the message twice; changes nothing.

import type { TransferEncoding } from './encoders.ts'
import { scanLimits } from './limits.ts'
import { findParam } from './parameters.ts'
import { createScanner } from './scanner.ts'
import { isIdentity } from './transfer.ts'
import type { Part, Scan } from './types.ts'

/** The most that the host takes. */
export type Limit = '7bit' | '8bit'

/** A stretch of the message, in order and without gaps. */
export type Step = { readonly start: number; readonly end: number } & (
  | { readonly kind: 'copy' }
  /** `label`: its Content-Transfer-Encoding from now on; absent: as it is. `top`: what a message without MIME fields needs besides. */
  | { readonly kind: 'header'; readonly label?: string; readonly top?: { readonly charset: string } }
  | { readonly kind: 'encode'; readonly from: string; readonly to: TransferEncoding }
)

export interface ConversionPlan {
  readonly limit: Limit
  /** What it will need. */
  readonly form: Limit
  readonly steps: readonly Step[]
}

/** Why it cannot be converted. `status` is an enhanced code (RFC 3463). */
export interface ConversionProblem {
  readonly problem: { readonly status: string; readonly why: string }
}

type Source = () => AsyncIterable<Buffer>

/** How the message becomes one that has nothing but `limit`. */
export async function planConversion(data: Source, limit: Limit): Promise<ConversionPlan | ConversionProblem> {
  const scanner = createScanner()
  for await (const chunk of data()) scanner.write(chunk)
  const scan = scanner.end()
  if (scan.limited !== undefined) return problem('5.6.3', 'its structure is too large to convert it')
  const regions = toRegions(scan)
  await measure(regions, data())
  return toPlan(scan, regions, limit)
}

const problem = (status: string, why: string): ConversionProblem => ({ problem: { status, why } })

/** What stands in a stretch of bytes. */
interface Facts {
  size: number
  eight: number
  /** Octets that quoted-printable must escape. */
  escapes: number
  /** NUL, bare CR or LF, lines over 998 octets: what only BINARYMIME carries. */
  binary: boolean
  /** Of those above 127: they are UTF-8. */
  utf8: boolean
}

interface Region {
  readonly part: Part
  readonly kind: 'header' | 'body' | 'between'
  readonly start: number
  readonly end: number
  /** Inside a multipart/signed, whose bytes are not ours to change. */
  readonly signed: boolean
  readonly facts: Facts
}

/** The message as a row of headers, bodies and what stands between parts. */
function toRegions(scan: Scan): readonly Region[] {
  const regions: Region[] = []
  const add = (part: Part, kind: Region['kind'], start: number, end: number, signed: boolean) => {
    const facts = { size: 0, eight: 0, escapes: 0, binary: false, utf8: true }
    if (end > start || kind === 'body') regions.push({ part, kind, start, end, signed, facts })
  }
  const visit = (part: Part, signed: boolean) => {
    add(part, 'header', part.start, part.body, signed)
    if (part.message && part.subtype !== 'global') return visit(part.message.root, signed)
    if (!part.parts) return add(part, 'body', part.body, part.end, signed)
    // RFC 1847 §2.1: what is signed must not change on its way.
    const inside = signed || part.subtype === 'signed'
    let at = part.body
    for (const child of part.parts) {
      add(part, 'between', at, child.start, signed)
      visit(child, inside)
      at = Math.max(child.end, child.body)
    }
    add(part, 'between', at, part.end, signed)
  }
  visit(scan.root, false)
  // What follows the last delimiter of all.
  const last = regions.at(-1)?.end ?? 0
  add(scan.root, 'between', last, scan.size, false)
  return regions
}

const MAX_LINE = 998

async function measure(regions: readonly Region[], data: AsyncIterable<Buffer>): Promise<void> {
  let base = 0
  let at = 0
  let meter = new Meter(regions[0]?.facts)
  for await (const chunk of data) {
    while (at < regions.length) {
      const { start, end } = regions[at]!
      const to = Math.min(end - base, chunk.length)
      if (to > Math.max(start - base, 0)) meter.write(chunk.subarray(Math.max(start - base, 0), to))
      if (end - base > chunk.length) break
      meter.end()
      meter = new Meter(regions[++at]?.facts)
    }
    base += chunk.length
  }
}

class Meter {
  readonly #facts: Facts | undefined
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #line = 0
  #cr = false

  constructor(facts: Facts | undefined) {
    this.#facts = facts
  }

  write(bytes: Buffer): void {
    const facts = this.#facts
    if (!facts) return
    facts.size += bytes.length
    let eight = 0
    for (let i = 0; i < bytes.length; i++) {
      const c = bytes[i]!
      if (this.#cr && c !== 10) facts.binary = true
      if (c === 10) {
        if (!this.#cr) facts.binary = true
        if (this.#line - 1 > MAX_LINE) facts.binary = true
        this.#line = 0
      } else this.#line++
      this.#cr = c === 13
      if (c > 127) eight++
      else if (c === 0) facts.binary = true
      if (c > 126 || c === 61 || (c < 32 && c !== 10 && c !== 13 && c !== 9)) facts.escapes++
    }
    facts.eight += eight
    if (facts.utf8 && (eight > 0 || facts.eight > 0)) this.#check(() => this.#decoder.decode(bytes, { stream: true }))
  }

  end(): void {
    const facts = this.#facts
    if (!facts) return
    if (this.#cr || this.#line > MAX_LINE) facts.binary = true
    if (facts.utf8 && facts.eight > 0) this.#check(() => this.#decoder.decode())
  }

  #check(decode: () => unknown): void {
    try {
      decode()
    } catch {
      this.#facts!.utf8 = false
    }
  }
}

function toPlan(scan: Scan, regions: readonly Region[], limit: Limit): ConversionPlan | ConversionProblem {
  const labels = new Map<Part, string>()
  const encodings = new Map<Region, TransferEncoding>()
  for (const region of regions) {
    const { part, kind, signed, facts } = region
    const tooMuch = facts.binary || (limit === '7bit' && facts.eight > 0)
    if (kind === 'header' && limit === '7bit' && !isAscii(findParam(part.params, 'boundary') ?? ''))
      return problem('5.6.3', 'the marks between its parts are not ASCII')
    if (signed && tooMuch) return problem('5.6.2', 'it is signed, which converting it would break')
    if (kind === 'header' && facts.size > scanLimits.headerBytes) return problem('5.6.3', 'its header is too large')
    // RFC 2046 §5.2.2: its pieces are put together again as they are.
    if (kind === 'body' && tooMuch && part.type === 'message' && part.subtype === 'partial')
      return problem('5.6.3', 'it is a piece of a message, which cannot be converted')
    if (kind !== 'body' || signed) continue
    if (tooMuch) {
      const encoding = chooseEncoding(part, facts)
      encodings.set(region, encoding)
      if (part.encoding !== encoding) labels.set(part, encoding)
    } else if (part.encoding === '8bit' || part.encoding === 'binary') {
      const label = facts.eight > 0 ? '8bit' : '7bit'
      if (label !== part.encoding) labels.set(part, label)
    }
  }
  labelContainers(scan.root, limit, encodings.size > 0, labels)
  const steps = regions.map((region): Step => toStep(scan, region, labels, encodings))
  const eight = limit === '8bit' && regions.some((region) => region.facts.eight > 0 && !encodings.has(region))
  return { limit, form: eight ? '8bit' : '7bit', steps }
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

/** Text stays readable where that is not the longer way; all else is base64. */
function chooseEncoding({ type, encoding }: Part, { size, escapes, binary }: Facts): TransferEncoding {
  if (encoding === 'base64' || encoding === 'quoted-printable') return encoding
  const readable = type === 'text' && isIdentity(encoding) && (!binary || escapes * 20 < size)
  return readable && size + 2 * escapes <= (size * 4) / 3 + 256 ? 'quoted-printable' : 'base64'
}

/** RFC 2045 §6.4: a container has no encoding of its own, and says at most what its parts need. */
function labelContainers(part: Part, limit: Limit, changed: boolean, labels: Map<Part, string>): void {
  const children = part.parts ?? (part.message && part.subtype !== 'global' ? [part.message.root] : undefined)
  if (!children) return
  const { encoding } = part
  if (limit === '7bit' ? encoding !== '7bit' && (isIdentity(encoding) || changed) : encoding === 'binary')
    labels.set(part, limit)
  // What is signed has nothing that must change, and so keeps its labels too.
  if (part.subtype !== 'signed') for (const child of children) labelContainers(child, limit, changed, labels)
}

function toStep(
  scan: Scan,
  region: Region,
  labels: ReadonlyMap<Part, string>,
  encodings: ReadonlyMap<Region, TransferEncoding>,
): Step {
  const { part, kind, start, end, signed, facts } = region
  const to = encodings.get(region)
  if (to) return { kind: 'encode', start, end, from: part.encoding, to }
  if (kind !== 'header' || signed) return { kind: 'copy', start, end }
  const label = labels.get(part)
  if (label === undefined)
    return facts.eight > 0 || facts.binary ? { kind: 'header', start, end } : { kind: 'copy', start, end }
  const charset = part === scan.root ? charsetOf(part, encodings) : undefined
  return { kind: 'header', start, end, label, ...(charset === undefined ? {} : { top: { charset } }) }
}

/** For a message that says nothing of its text: what the text is, or that nobody knows (RFC 1428 §3). */
function charsetOf(root: Part, encodings: ReadonlyMap<Region, TransferEncoding>): string {
  for (const { part, facts } of encodings.keys()) if (part === root) return facts.utf8 ? 'utf-8' : 'unknown-8bit'
  return 'us-ascii'
}
