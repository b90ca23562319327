// ClamAV's clamd: the message goes to it in pieces (INSTREAM), the name of what it found comes back. Knows nothing of viruses.

import { type Daemon, Connection } from './connection.ts'
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

/** The reply to one INSTREAM, such as `stream: OK`. */
async function scan(daemon: Daemon, message: Readable, signal: AbortSignal): Promise<string> {
  const connection = await Connection.open(daemon, signal)
  try {
    await connection.write(Buffer.from('zINSTREAM\0'))
    await send(connection, message)
    const reply = (await connection.readTo(0, maxReply)).toString('latin1').trim()
    if (isKnown(reply)) return reply
    throw connection.fault(reply === '' ? 'it said nothing' : toWords(reply))
  } finally {
    connection.close()
  }
}

/** Pieces with their length before them, and one of no length. It says early when it has enough: what comes then it would not read. */
async function send(connection: Connection, message: Readable): Promise<void> {
  for await (const bytes of message.bytes())
    for (let at = 0; at < bytes.length; at += pieceSize) {
      if (connection.answered) return
      const piece = bytes.subarray(at, at + pieceSize)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(piece.length)
      await connection.write(Buffer.concat([length, piece]))
    }
  await connection.write(Buffer.alloc(4))
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
    return { action: 'accept', reasons: [`ClamAV did not look: ${size} bytes are more than clamd takes (StreamMaxLength)`] }
  const virus = toWords(reply.slice('stream: '.length, -foundEnd.length))
  const header = toHeader('X-Virus-Status', `Infected (${virus})`)
  return { action, virus, reasons: [`ClamAV found ${virus}`], headers: header ? [header] : [] }
}
