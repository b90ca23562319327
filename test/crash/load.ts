// Load for the crash test: connections that send one message after another, each with an id of its own, until the server dies.

import { connect, type Socket } from 'node:net'
import type { Installation } from '../server.ts'

export interface Attempt {
  readonly id: string
  /** It is for a recipient elsewhere, who is reached through the queue. */
  readonly remote: boolean
  /** The server answered 250 after the data. */
  readonly acknowledged: boolean
  /** The first reply that was not hoped for; '' when there is none, because the connection ended. */
  readonly refusal?: string
}

/** Sizes in bytes: in the database, at the border, in a file of its own. */
const sizes = [800, 4_096, 4_096, 30_000, 70_000, 200_000]

/** Three of four messages are for users here, the fourth for somebody elsewhere. */
export const mixedRecipients = (n: number): string => (n % 4 === 3 ? 'somebody@relay.test' : `u${n % 5}@posthorn.test`)

/** Sends on `connections` connections until the server goes away or `ms` have passed; answers every attempt that was begun. */
export async function load(
  server: Installation,
  connections: number,
  name: string,
  ms = 10_000,
  recipient = mixedRecipients,
  each = Number.POSITIVE_INFINITY,
): Promise<Attempt[]> {
  const end = Date.now() + ms
  const attempts: Attempt[] = []
  const one = async (n: number) => {
    for (let i = 0; i < each && Date.now() < end; i++) {
      const id = `${name}.${n}.${i}`
      const to = recipient(n + i)
      const remote = !to.endsWith('@posthorn.test')
      try {
        const refusal = await send(server.ports.smtp, id, to, sizes[(n + i) % sizes.length]!)
        attempts.push(
          refusal === undefined ? { id, remote, acknowledged: true } : { id, remote, acknowledged: false, refusal },
        )
      } catch {
        attempts.push({ id, remote, acknowledged: false, refusal: '' })
        return
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, n) => one(n)))
  return attempts
}

export function count(ids: Iterable<string>): Map<string, number> {
  const counted = new Map<string, number>()
  for (const id of ids) counted.set(id, (counted.get(id) ?? 0) + 1)
  return counted
}

/** The refusal; undefined when the message was taken. */
async function send(port: number, id: string, to: string, size: number): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  try {
    const reply = readReplies(socket)
    await reply()
    socket.write(`EHLO load.test\r\n`)
    await reply()
    socket.write(`MAIL FROM:<eve@elsewhere.test>\r\nRCPT TO:<${to}>\r\nDATA\r\n`)
    const replies = [await reply(), await reply(), await reply()]
    const refusal = replies.find((line) => !/^(250|354)/.test(line))
    if (refusal !== undefined) return refusal
    const line = `${'x'.repeat(70)}\r\n`
    socket.write(
      `From: <eve@elsewhere.test>\r\nMessage-ID: <${id}@load.test>\r\nSubject: ${id}\r\n\r\n${line.repeat(Math.ceil(size / 72))}.\r\n`,
    )
    const last = await reply()
    return last.startsWith('250') ? undefined : last
  } finally {
    socket.destroy()
  }
}

/** A function that waits for the next reply and answers its last line; rejects when the connection ends. */
export function readReplies(socket: Socket): () => Promise<string> {
  const lines: string[] = []
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  let text = ''
  let closed = false
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
      const line = text.slice(0, at).trimEnd()
      text = text.slice(at + 1)
      if (line[3] === '-') continue
      const waiter = waiting.shift()
      if (waiter) waiter.resolve(line)
      else lines.push(line)
    }
  })
  const fail = () => {
    closed = true
    for (const waiter of waiting.splice(0)) waiter.reject(new Error('the connection ended'))
  }
  socket.on('error', fail)
  socket.on('close', fail)
  return () =>
    new Promise((resolve, reject) => {
      const line = lines.shift()
      if (line !== undefined) resolve(line)
      else if (closed) reject(new Error('the connection ended'))
      else waiting.push({ resolve, reject })
    })
}
