// Carries one query to one server and its reply back: UDP, then TCP when the reply was cut. A fresh socket, hence a
// random source port, and a random id for each query. Knows nothing of caches or of what a record means.

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Clock } from '../base/index.ts'
import type { Server } from './servers.ts'
import { formatQuery, parseReply, type QueryType, type Reply } from './wire.ts'

export interface Ask {
  readonly server: Server
  readonly name: string
  readonly type: QueryType
  readonly timeoutMs: number
  readonly clock: Clock
  readonly edns?: boolean
}

/** The reply, or in words why there is none. Never rejects. */
export async function ask(query: Ask): Promise<Reply | string> {
  const reply = await askUdp(query)
  if (typeof reply === 'string') return reply
  // RFC 6891 §7: a server that does not know EDNS says FORMERR and is asked in the old way.
  if (reply.rcode === 'format' && query.edns !== false) return ask({ ...query, edns: false })
  return reply.truncated ? askTcp(query) : reply
}

function askUdp({ server, name, type, timeoutMs, clock, edns }: Ask): Promise<Reply | string> {
  const question = { id: randomInt(65536), name, type }
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.ip.split('%')[0] ?? '') ? 'udp6' : 'udp4')
    let over = false
    const finish = (result: Reply | string) => {
      if (over) return
      over = true
      cancel()
      socket.close()
      resolve(result)
    }
    const cancel = clock.after(timeoutMs, () => finish(`no answer within ${timeoutMs / 1000} s`))
    socket.on('error', (error) => finish(error.message))
    // Anything that is not the answer to exactly this question is passed over: it may be a forgery, the real one may follow.
    socket.on('message', (bytes) => {
      const reply = parseReply(bytes, question)
      if (reply) finish(reply)
    })
    // A connected socket hears only its server, and hears at once that nobody listens there.
    socket.connect(server.port, server.ip, () => {
      if (!over) socket.send(formatQuery(question, edns))
    })
  })
}

async function askTcp({ server, name, type, timeoutMs, clock, edns }: Ask): Promise<Reply | string> {
  const question = { id: randomInt(65536), name, type }
  const answer = await exchange({ server, message: formatQuery(question, edns), timeoutMs, clock })
  return typeof answer === 'string' ? answer : (parseReply(answer, question) ?? 'an answer that cannot be read')
}

/** One message over TCP and the one that comes back, or in words why none does. Never rejects. */
export function exchange({
  server,
  message,
  timeoutMs,
  clock,
}: Pick<Ask, 'server' | 'timeoutMs' | 'clock'> & { readonly message: Buffer }): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const socket = connect(server.port, server.ip)
    let received = Buffer.alloc(0)
    const finish = (result: Buffer | string) => {
      cancel()
      socket.destroy()
      resolve(result)
    }
    const cancel = clock.after(timeoutMs, () => finish(`no answer over TCP within ${timeoutMs / 1000} s`))
    socket.on('error', (error) => finish(error.message))
    socket.on('close', () => finish('the server closed the connection'))
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(message.length)
      socket.write(Buffer.concat([length, message]))
    })
    // RFC 1035 §4.2.2: two bytes of length stand before the message; more than they say is never kept.
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2) return
      const end = 2 + received.readUInt16BE(0)
      if (received.length < end) return
      finish(received.subarray(2, end))
    })
  })
}
