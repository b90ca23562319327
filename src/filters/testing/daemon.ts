// A daemon of the tests: a socket that is listened on, and what it does with each connection.

import { createServer, type Socket } from 'node:net'
import type { Place } from '../place.ts'

interface Ending {
  after(end: () => Promise<void>): void
}

export interface TestDaemon {
  readonly place: Place
  /** Bytes of each connection. */
  readonly heard: readonly Buffer[]
}

/** `talk` gets what came so far each time that something comes; what it returns is written, in pieces of `piece` bytes. */
export async function startDaemon(
  t: Ending,
  talk: (heard: Buffer, socket: Socket) => string | Buffer | undefined,
  piece = Number.MAX_SAFE_INTEGER,
): Promise<TestDaemon> {
  const heard: Buffer[] = []
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    const mine = heard.push(Buffer.alloc(0)) - 1
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      heard[mine] = Buffer.concat([heard[mine]!, chunk])
      const said = talk(heard[mine]!, socket)
      if (typeof said === 'string') void writeSlowly(socket, Buffer.from(said, 'latin1'), piece)
      else if (said) void writeSlowly(socket, said, piece)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    for (const socket of open) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return { place: { host: '127.0.0.1', port: (server.address() as { port: number }).port }, heard }
}

async function writeSlowly(socket: Socket, bytes: Buffer, piece: number): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; at += piece) {
    socket.write(bytes.subarray(at, at + piece))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A signal that nobody gives. */
export const forever = new AbortController().signal
