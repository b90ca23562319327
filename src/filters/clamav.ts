// ClamAV's clamd: the message goes to it in pieces (INSTREAM), the name of what it found comes back. Knows nothing of viruses.

import { Connection, type Daemon } from './connection.ts'
import { toHeader, toWords } from './headers.ts'
import type { Place } from './place.ts'
import type { Filter, FilterAction, FilterAnswer, FilterRequest, Readable } from './types.ts'

export interface ClamAvOptions {
  readonly place: Place
  /** For a message in which it finds something. */
  readonly action: Exclude<FilterAction, 'accept' | 'defer'>
}

/** Bytes of a piece. */
const pieceSize = 65_536
/** A reply is a name or an error. */
const maxReply = 4_096

export function createClamAv({ place, action }: ClamAvOptions): Filter {
  const daemon = { name: 'clamd', place }
  return {
    name: 'clamav',
    check: async (request, signal) => toAnswer(await scan(daemon, request, signal), action, request),
  }
}

/** How long clamd has to say that it has enough, before more is sent. */
const listenMs = 1_000

/**
 * The reply to one INSTREAM, such as `stream: OK`. clamd says that a message is too large and closes; when we write at that moment, its
 * words are lost with the connection. It is asked once more, and listened to at that place.
 */
async function scan(daemon: Daemon, message: Readable, signal: AbortSignal): Promise<string> {
  const first = await exchange(daemon, message, signal)
  if (typeof first === 'string') return first
  const second = await exchange(daemon, message, signal, first.stoppedAt)
  if (typeof second === 'string') return second
  throw second.fault
}

interface Broken {
  /** Bytes that were sent. */
  readonly stoppedAt: number
  readonly fault: unknown
}

async function exchange(
  daemon: Daemon,
  message: Readable,
  signal: AbortSignal,
  listenAt?: number,
): Promise<string | Broken> {
  const connection = await Connection.open(daemon, signal)
  let stoppedAt: number | undefined
  try {
    await connection.write(Buffer.from('zINSTREAM\0'))
    stoppedAt = await send(connection, message, listenAt)
    const reply = (await connection.readTo(0, maxReply)).toString('latin1').trim()
    if (isKnown(reply)) return reply
    throw connection.fault(reply === '' ? 'it said nothing' : toWords(reply))
  } catch (error) {
    if (stoppedAt === undefined || signal.aborted) throw error
    return { stoppedAt, fault: error }
  } finally {
    connection.close()
  }
}

/**
 * Sends pieces with their length before them, and one of no length, until it answers: it says early when it has enough. How much was sent
 * when it answered or the connection broke; undefined: all of it.
 */
async function send(connection: Connection, message: Readable, listenAt = Infinity): Promise<number | undefined> {
  let sent = 0
  for await (const bytes of message.bytes())
    for (let at = 0; at < bytes.length; at += pieceSize) {
      const piece = bytes.subarray(at, at + pieceSize)
      if (sent + piece.length > listenAt) await connection.listen(listenMs)
      if (connection.answered) return sent
      const length = Buffer.alloc(4)
      length.writeUInt32BE(piece.length)
      if (!(await connection.write(Buffer.concat([length, piece])))) return sent
      sent += piece.length
    }
  if (sent >= listenAt) await connection.listen(listenMs)
  return !connection.answered && (await connection.write(Buffer.alloc(4))) ? undefined : sent
}

const clean = 'stream: OK'
const foundEnd = ' FOUND'
/** Of clamd's own StreamMaxLength. */
const tooLarge = 'INSTREAM size limit exceeded. ERROR'

const isKnown = (reply: string): boolean =>
  reply === clean || reply === tooLarge || (reply.startsWith('stream: ') && reply.endsWith(foundEnd))

function toAnswer(reply: string, action: ClamAvOptions['action'], { size }: FilterRequest): FilterAnswer {
  if (reply === clean) return { action: 'accept', reasons: [] }
  if (reply === tooLarge)
    return {
      action: 'accept',
      reasons: [`ClamAV did not look: ${size} bytes are more than clamd takes (StreamMaxLength)`],
    }
  const virus = toWords(reply.slice('stream: '.length, -foundEnd.length))
  const header = toHeader('X-Virus-Status', `Infected (${virus})`)
  return { action, virus, reasons: [`ClamAV found ${virus}`], headers: header ? [header] : [] }
}
