// From bytes to one whole command: lines joined by their literals. Bounded before it allocates; refuses to know sockets and what commands mean.

import { type ByteQueue, Fault, notePassing } from '../../base/index.ts'

/** Where a large literal goes. `write` returns a promise when the sink wants the writer to wait. */
export interface LiteralSink {
  write(chunk: Buffer): Promise<void> | undefined
  /** Forgets what was written: the command was refused or the client went away. */
  abort(): Promise<void>
}
export type Literal = Buffer | LiteralSink

/** Line texts in Latin-1 without line ends; segment `i` but the last ends with the announcement of literal `i`. */
export interface CommandText {
  readonly segments: readonly string[]
  readonly literals: readonly Literal[]
}

export interface ReaderLimits {
  /** Bytes of one line with its end. */
  readonly line: number
  /** Bytes of one literal kept in memory. */
  readonly literal: number
  /** Bytes of all lines and literals of one command kept in memory. */
  readonly command: number
  /** A refused LITERAL+ literal up to this size is read and thrown away; beyond it the connection closes. */
  readonly discard: number
}

export interface Source {
  readonly queue: ByteQueue
  /** Resolves true when the queue grew, false when nothing more will come. */
  more(): Promise<boolean>
}

export interface ReaderHooks {
  limits(): ReaderLimits
  /** Decides where a literal of `size` bytes goes; a Fault refuses the command. */
  place(text: CommandText, size: number): Promise<'inline' | LiteralSink | Fault> | 'inline' | LiteralSink | Fault
  /** Sends the continuation request of a synchronising literal. */
  proceed(): void
}

/** `refused`: the command was read to its end (or the client waits) and the connection may go on. `close`: it may not. */
export type Received =
  | { readonly kind: 'command'; readonly text: CommandText }
  | { readonly kind: 'refused'; readonly text: CommandText; readonly fault: Fault }
  | { readonly kind: 'close'; readonly reason: string }
  | { readonly kind: 'end' }

/** Ends reading with what the session has to hear. */
class Stop extends Error {
  readonly received: Received
  constructor(received: Received) {
    super(received.kind)
    this.received = received
  }
}

export interface CommandReader {
  /** The next whole command. */
  next(): Promise<Received>
  /** The next bare line (continuation data of AUTHENTICATE, DONE of IDLE) without its end; undefined at the end of input. Throws Fault `too-large`. */
  line(): Promise<string | undefined>
}

export function createCommandReader(source: Source, hooks: ReaderHooks): CommandReader {
  const { queue } = source

  async function takeLine(limit: number): Promise<string> {
    for (;;) {
      const at = queue.indexOfLf()
      if (at >= limit || (at < 0 && queue.length >= limit))
        throw new Stop({ kind: 'close', reason: `a command line is at most ${limit} bytes` })
      if (at >= 0) return lineText(queue.take(at + 1))
      if (!(await source.more())) throw new Stop({ kind: 'end' })
    }
  }

  async function takeInline(size: number): Promise<Buffer> {
    while (queue.length < size) if (!(await source.more())) throw new Stop({ kind: 'end' })
    // A copy, because a slice would keep the whole chunk of the socket alive.
    return Buffer.from(queue.take(size))
  }

  /** Hands `literal.left` bytes on; what is left when `to` throws is still to be read. */
  async function pass(literal: { left: number }, to: (chunk: Buffer) => Promise<void> | undefined): Promise<void> {
    while (literal.left > 0) {
      const chunk = queue.takeChunk(literal.left)
      if (chunk) {
        literal.left -= chunk.length
        notePassing(chunk.length)
        const wait = to(chunk)
        if (wait) await wait
      } else if (!(await source.more())) throw new Stop({ kind: 'end' })
    }
  }

  /** Reads the rest of a refused command away, so that nothing of a literal is ever taken for a command. */
  async function discardRest(announced: Announcement | undefined): Promise<void> {
    let next = announced
    let budget = hooks.limits().discard
    while (next && !next.sync) {
      budget -= next.size
      if (budget < 0) throw new Stop({ kind: 'close', reason: 'the literal is too large' })
      await pass({ left: next.size }, () => undefined)
      next = announcement(await takeLine(hooks.limits().line))
    }
  }

  async function readLiteral(text: CommandText, held: number, announced: Announcement): Promise<Literal> {
    const { size, sync } = announced
    const limits = hooks.limits()
    let place = size > Number.MAX_SAFE_INTEGER ? tooLarge(limits.literal) : await hooks.place(text, size)
    if (place === 'inline' && (size > limits.literal || held + size > limits.command)) place = tooLarge(limits.literal)
    if (place instanceof Fault) {
      await discardRest(announced)
      throw new Stop({ kind: 'refused', text, fault: place })
    }
    if (sync) hooks.proceed()
    if (place === 'inline') return takeInline(size)
    await fillSink(text, place, size)
    return place
  }

  /** A sink that refuses (the disk is full) does not stop the client from sending: the rest is read away. */
  async function fillSink(text: CommandText, sink: LiteralSink, size: number): Promise<void> {
    const literal = { left: size }
    try {
      await pass(literal, (chunk) => sink.write(chunk))
    } catch (error) {
      await sink.abort()
      if (!(error instanceof Fault)) throw error
      await pass(literal, () => undefined)
      await discardRest(announcement(await takeLine(hooks.limits().line)))
      throw new Stop({ kind: 'refused', text, fault: error })
    }
  }

  async function readCommand(): Promise<Received> {
    const segments: string[] = []
    const literals: Literal[] = []
    let held = 0
    try {
      for (;;) {
        const { line, command } = hooks.limits()
        const segment = await takeLine(line)
        segments.push(segment)
        held += segment.length
        const text = { segments, literals }
        const announced = announcement(segment)
        if (!announced) return { kind: 'command', text }
        if (held > command) {
          await discardRest(announced)
          return { kind: 'refused', text, fault: tooLarge(command) }
        }
        const literal = await readLiteral(text, held, announced)
        if (Buffer.isBuffer(literal)) held += literal.length
        literals.push(literal)
      }
    } catch (error) {
      await abortLiterals({ segments, literals })
      throw error
    }
  }

  return {
    async next() {
      try {
        return await readCommand()
      } catch (error) {
        if (error instanceof Stop) return error.received
        throw error
      }
    },
    async line() {
      try {
        return await takeLine(hooks.limits().line)
      } catch (error) {
        if (!(error instanceof Stop)) throw error
        if (error.received.kind === 'close') throw new Fault('too-large', error.received.reason)
        return undefined
      }
    },
  }
}

/** Frees the sinks of a command that will not run. */
export async function abortLiterals({ literals }: CommandText): Promise<void> {
  for (const literal of literals) if (!Buffer.isBuffer(literal)) await literal.abort()
}

const tooLarge = (limit: number) => new Fault('too-large', `a literal here is at most ${limit} bytes`)

function lineText(line: Buffer): string {
  const end = line.length >= 2 && line[line.length - 2] === 13 ? line.length - 2 : line.length - 1
  return line.toString('latin1', 0, end)
}

interface Announcement {
  readonly size: number
  readonly sync: boolean
}

/** The literal announced at the end of a line: `{n}` or `{n+}` (RFC 7888 §3); undefined when there is none. */
function announcement(segment: string): Announcement | undefined {
  let at = segment.length - 1
  if (segment[at] !== '}') return undefined
  const sync = segment[at - 1] !== '+'
  if (!sync) at--
  const end = at
  while (at > 0 && isDigit(segment.charCodeAt(at - 1))) at--
  if (at === end || segment[at - 1] !== '{') return undefined
  return { size: end - at > 15 ? Number.POSITIVE_INFINITY : Number(segment.slice(at, end)), sync }
}

const isDigit = (c: number) => c >= 48 && c <= 57
