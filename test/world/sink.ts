// A mail server that keeps every message it is given, in memory; paused, it takes connections and says nothing.

import { createServer, type Socket } from 'node:net'

export interface Watch {
  /** Where it listens; absent: 127.0.0.1. */
  readonly host?: string
  /** Absent: any. */
  readonly port?: number
  /** Somebody has connected. What is returned he is told instead of a greeting, and that is all. */
  readonly onConnect?: (socket: Socket) => string | undefined
  readonly onCommand?: (socket: Socket, line: string) => void
  /** How long a message takes, milliseconds. */
  readonly serveMs?: number
}

export async function startSink(t: { after(fn: () => Promise<void>): void }, watch: Watch = {}) {
  const kept: string[] = []
  const arrivals: Arrival[] = []
  const open = new Set<Socket>()
  let paused = false
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    const refusal = watch.onConnect?.(socket)
    if (refusal !== undefined) socket.end(`${refusal}\r\n`)
    else if (!paused) talk(socket, { kept, arrivals, silent: () => paused, watch })
  })
  await new Promise<void>((resolve) => server.listen(watch.port ?? 0, watch.host ?? '127.0.0.1', resolve))
  t.after(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port: (server.address() as { port: number }).port,
    messages: () => kept,
    /** Of each message, in the same order. */
    envelopes: (): Envelope[] => arrivals.map(({ from, to }) => ({ from, to })),
    arrivals: () => arrivals,
    /** Paused, also open connections get no further answer. */
    pause(on: boolean) {
      paused = on
    },
  }
}

const replies: readonly (readonly [command: RegExp, reply: string])[] = [
  [/^EHLO/i, '250-sink\r\n250 PIPELINING'],
  [/^DATA/i, '354 go on'],
  [/^QUIT/i, '221 bye'],
  [/^/, '250 ok'],
]

export interface Envelope {
  readonly from: string
  readonly to: readonly string[]
}

/** From which address it came, and when it was taken, monotonic milliseconds. */
export interface Arrival extends Envelope {
  readonly by: string
  readonly at: number
}

interface Desk {
  readonly kept: string[]
  readonly arrivals: Arrival[]
  readonly silent: () => boolean
  readonly watch: Watch
}

function talk(socket: Socket, { kept, arrivals, silent, watch }: Desk): void {
  const by = socket.remoteAddress!
  let from = ''
  let to: string[] = []
  let text = ''
  let data = false
  const say = (line: string) => socket.write(`${line}\r\n`)
  say('220 sink')
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    for (;;) {
      if (silent()) return
      const end = data ? text.indexOf('\r\n.\r\n') : text.indexOf('\r\n')
      if (end < 0) return
      const piece = text.slice(0, end)
      text = text.slice(end + (data ? 5 : 2))
      if (data) {
        data = false
        const envelope = { from, to, by }
        const take = () => {
          kept.push(`${piece}\r\n`)
          arrivals.push({ ...envelope, at: performance.now() })
          say('250 kept')
        }
        if (watch.serveMs === undefined) take()
        else setTimeout(take, watch.serveMs)
        continue
      }
      watch.onCommand?.(socket, piece)
      data = /^DATA/i.test(piece)
      const path = /^(MAIL FROM|RCPT TO):<(.*?)>/i.exec(piece)
      if (path?.[1]?.toUpperCase() === 'MAIL FROM') [from, to] = [path[2]!, []]
      else if (path) to.push(path[2]!)
      say(replies.find(([command]) => command.test(piece))![1])
    }
  })
}
