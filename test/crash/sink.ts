// The next server on the way: takes everything, remembers the subjects of what it acknowledged.

import { createServer, type Socket } from 'node:net'

export interface Sink {
  readonly port: number
  /** Subject of each message taken, as often as it came. */
  readonly ids: string[]
  /** Recipients asked for until now. */
  readonly asked: number
  /** No recipient is taken for now (450). */
  refuse(on: boolean): void
  /** Paused, it takes connections and greets nobody until it goes on. */
  pause(on: boolean): void
  close(): void
}

export async function startSink(): Promise<Sink> {
  const ids: string[] = []
  const sockets = new Set<Socket>()
  const waiting: Socket[] = []
  let paused = false
  const rules: Rules = { refusing: false, asked: 0 }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    if (paused) waiting.push(socket)
    else serve(socket, ids, rules)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as { port: number }).port,
    ids,
    get asked() {
      return rules.asked
    },
    refuse(on) {
      rules.refusing = on
    },
    pause(on) {
      paused = on
      if (!on) for (const socket of waiting.splice(0)) serve(socket, ids, rules)
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

interface Rules {
  refusing: boolean
  asked: number
}

function serve(socket: Socket, ids: string[], rules: Rules): void {
  let text = ''
  let inData = false
  socket.setEncoding('latin1')
  socket.write('220 sink.test ESMTP\r\n')
  socket.on('data', (chunk: string) => {
    text += chunk
    for (;;) {
      const end = text.indexOf(inData ? '\r\n.\r\n' : '\r\n')
      if (end < 0) return
      const taken = text.slice(0, end)
      text = text.slice(end + (inData ? 5 : 2))
      if (inData) {
        const subject = /^Subject: (.*)$/m.exec(taken)?.[1]
        if (subject) ids.push(subject.trim())
        inData = false
        socket.write('250 2.0.0 taken\r\n')
        continue
      }
      const verb = taken.slice(0, 4).toUpperCase()
      if (verb === 'RCPT') rules.asked++
      const refused = rules.refusing && (verb === 'RCPT' || verb === 'DATA')
      inData = verb === 'DATA' && !refused
      if (refused) socket.write('450 4.2.0 not now\r\n')
      else if (verb === 'EHLO') socket.write('250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n')
      else if (verb === 'QUIT') socket.end('221 bye\r\n')
      else socket.write(inData ? '354 go on\r\n' : '250 ok\r\n')
    }
  })
}
