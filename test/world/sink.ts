// A mail server that keeps every message it is given, in memory; paused, it takes connections and says nothing.

import { createServer, type Socket } from 'node:net'

export async function startSink(t: { after(fn: () => Promise<void>): void }) {
  const kept: string[] = []
  const envelopes: Envelope[] = []
  const open = new Set<Socket>()
  let paused = false
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    if (!paused) talk(socket, kept, envelopes, () => paused)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port: (server.address() as { port: number }).port,
    messages: () => kept,
    /** Of each message, in the same order. */
    envelopes: () => envelopes,
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

function talk(socket: Socket, kept: string[], envelopes: Envelope[], silent: () => boolean): void {
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
        kept.push(`${piece}\r\n`)
        envelopes.push({ from, to })
        say('250 kept')
        data = false
        continue
      }
      data = /^DATA/i.test(piece)
      const path = /^(MAIL FROM|RCPT TO):<(.*?)>/i.exec(piece)
      if (path?.[1]?.toUpperCase() === 'MAIL FROM') [from, to] = [path[2]!, []]
      else if (path) to.push(path[2]!)
      say(replies.find(([command]) => command.test(piece))![1])
    }
  })
}
