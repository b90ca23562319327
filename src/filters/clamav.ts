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

/** How long clamd has to say that it has enough before it gets the next piece, at each try. */
const patienceMs = [0, 5, 20, 50]

/**
 * The reply to one INSTREAM, such as `stream: OK`. clamd says in the middle that a message is too large and closes; when we write at that
 * moment, its words are lost with the connection. Then it is asked again, and listened to between the pieces.
 */
async function scan(daemon: Daemon, message: Readable, signal: AbortSignal): Promise<string> {
  let broken: unknown
  for (const patience of patienceMs) {
    const answer = await exchange(daemon, message, signal, patience)
    if ('reply' in answer) return answer.reply
    broken = answer.broken
  }
  throw broken
}

/** The reply, or why the connection broke before all was sent. */
async function exchange(
  daemon: Daemon,
  message: Readable,
  signal: AbortSignal,
  patience: number,
): Promise<{ readonly reply: string } | { readonly broken: unknown }> {
  const connection = await Connection.open(daemon, signal)
  let whole = false
  try {
    await connection.write(Buffer.from('zINSTREAM\0'))
    whole = await send(connection, message, patience)
    const reply = (await connection.readTo(0, maxReply)).toString('latin1').trim()
    if (isKnown(reply)) return { reply }
    throw connection.fault(reply === '' ? 'it said nothing' : toWords(reply))
  } catch (error) {
    if (whole || signal.aborted) throw error
    return { broken: error }
  } finally {
    connection.close()
  }
}

/** Sends pieces with their length before them, and one of no length. False: it answered before, or the connection broke. */
async function send(connection: Connection, message: Readable, patience: number): Promise<boolean> {
  const isHeard = async () => {
    if (patience > 0) await connection.listen(patience)
    // What has come in the meantime is read before this resolves.
    await new Promise((resolve) => setImmediate(resolve))
    return connection.answered
  }
  for await (const bytes of message.bytes())
    for (let at = 0; at < bytes.length; at += pieceSize) {
      const piece = bytes.subarray(at, at + pieceSize)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(piece.length)
      if ((await isHeard()) || !(await connection.write(Buffer.concat([length, piece])))) return false
    }
  return !(await isHeard()) && (await connection.write(Buffer.alloc(4)))
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
