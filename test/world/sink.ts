// A mail server that keeps every message it is given, in memory; paused, it takes connections and says nothing.

import { createServer, type Socket } from 'node:net'

export async function startSink(t: { after(fn: () => Promise<void>): void }) {
  const kept: string[] = []
  const open = new Set<Socket>()
  let paused = false
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    if (!paused) talk(socket, kept, () => paused)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port: (server.address() as { port: number }).port,
    messages: () => kept,
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

function talk(socket: Socket, kept: string[], silent: () => boolean): void {
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
        say('250 kept')
        data = false
        continue
      }
      data = /^DATA/i.test(piece)
      say(replies.find(([command]) => command.test(piece))![1])
    }
  })
}
