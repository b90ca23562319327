// A server that is a script: it names what it expects and what it says. What the client's tests share.

import net from 'node:net'
import type { Address } from '../../../address/index.ts'
import { type ClientOptions, ConnectionFault, connectSmtp, type OutgoingMail } from '../index.ts'

/** `say` is sent; `hear` must be what comes next, one character for each byte. */
export type Script = readonly ({ readonly say: string } | { readonly hear: string })[]

/** Serves one connection by the script; `wrong` tells what came instead. */
export async function withServer<T>(script: Script, work: (port: number) => Promise<T>): Promise<T> {
  let wrong: unknown
  const server = net.createServer((socket) => {
    let got = ''
    let step = 0
    const go = () => {
      for (;;) {
        const now = script[step]
        if (!now) return socket.end()
        if ('say' in now) socket.write(now.say)
        else {
          if (got.length < now.hear.length) return
          if (!got.startsWith(now.hear)) {
            wrong = new Error(`expected ${JSON.stringify(now.hear)}, got ${JSON.stringify(got)}`)
            return socket.destroy()
          }
          got = got.slice(now.hear.length)
        }
        step++
      }
    }
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1')
      go()
    })
    socket.on('error', () => {})
    go()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const result = await work((server.address() as net.AddressInfo).port)
    if (wrong) throw wrong
    return result
  } catch (error) {
    throw wrong ?? error
  } finally {
    server.close()
  }
}

export const options = (port: number, more: Partial<ClientOptions> = {}): ClientOptions => ({
  ip: '127.0.0.1',
  host: 'mx.test',
  port,
  helo: 'me.test',
  tls: 'none',
  verify: false,
  ...more,
})
export const address = (local: string): Address => ({ local, domain: 'b.test' })
export const mail = (more: Partial<OutgoingMail> = {}): OutgoingMail => ({
  from: { local: 'me', domain: 'a.test' },
  recipients: [{ address: address('x') }],
  size: 10,
  utf8: false,
  body8: false,
  async *data() {
    yield Buffer.from('a\r\n.b\r\n')
  },
  ...more,
})
export const hello = (...extensions: string[]): Script => [
  { say: '220 hi\r\n' },
  { hear: 'EHLO me.test\r\n' },
  { say: ['250-mx.test', ...extensions.map((one) => `250-${one}`)].join('\r\n').concat('\r\n250 HELP\r\n') },
]

/** Connects, sends, and gives the results in short: `code stage`. */
export const run = (script: Script, outgoing: OutgoingMail, more: Partial<ClientOptions> = {}) =>
  withServer(script, async (port) => {
    const connection = await connectSmtp(options(port, more))
    try {
      return (await connection.send(outgoing)).map(({ reply, accepted, stage }) => `${reply.code} ${stage} ${accepted}`)
    } finally {
      connection.close()
    }
  })
export const fault = (stage: string) => (error: unknown) => error instanceof ConnectionFault && error.stage === stage

/** A small message as it goes where nothing may be sent ahead: each command waits for its answer. */
export const oneByOne = (from: string): Script => [
  { hear: `${from}\r\n` },
  { say: '250 ok\r\n' },
  { hear: 'RCPT TO:<x@b.test>\r\n' },
  { say: '250 ok\r\n' },
  { hear: 'DATA\r\n' },
  { say: '354 go\r\n' },
  { hear: 'a\r\n..b\r\n.\r\n' },
  { say: '250 2.0.0 queued\r\n' },
]
