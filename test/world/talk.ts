// Sessions by hand: a line client for SMTP and LMTP, one for IMAP, over plain sockets and TLS. Knows no server but its port.

import { connect, type Socket } from 'node:net'
import tls from 'node:tls'

/** A connection whose text is kept until somebody asks for it. */
export class Talk {
  readonly socket: Socket
  #text = ''
  #closed = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.#text += chunk.toString('utf8')
      this.#wake?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  send(text: string | Buffer): void {
    this.socket.write(text)
  }

  /** Takes everything up to the end of the first match of `pattern`. */
  async until(pattern: RegExp, timeoutMs = 10_000): Promise<string> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const found = pattern.exec(this.#text)
      if (found) {
        const end = found.index + found[0].length
        const taken = this.#text.slice(0, end)
        this.#text = this.#text.slice(end)
        return taken
      }
      const left = deadline - performance.now()
      if (this.#closed || left <= 0)
        throw new Error(`${this.#closed ? 'closed' : 'silent'} while waiting for ${pattern}: ${this.#text}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Resolves with the rest of the text when the other side has closed. */
  async ended(): Promise<string> {
    if (!this.#closed) await new Promise((resolve) => this.socket.once('close', resolve))
    return this.#text
  }

  close(): void {
    this.socket.destroy()
  }
}

export function dial(port: number, host = '127.0.0.1'): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host }, () => resolve(talk))
    const talk = new Talk(socket)
    socket.once('error', reject)
  })
}

/** TLS from the first byte; any certificate will do. `serial` is the certificate's number. */
export function dialTls(port: number): Promise<Talk & { serial: string }> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      resolve(Object.assign(talk, { serial: socket.getPeerCertificate().serialNumber })),
    )
    const talk = new Talk(socket)
    socket.once('error', reject)
  })
}

const lastLine = /^\d{3} .*\r\n/m

export class Smtp {
  readonly talk: Talk
  constructor(talk: Talk) {
    this.talk = talk
  }

  /** Greeted and introduced. */
  static async open(port: number, hello = 'EHLO client.test'): Promise<Smtp> {
    const client = new Smtp(await dial(port))
    await client.reply()
    await client.say(hello)
    return client
  }

  reply(): Promise<string> {
    return this.talk.until(lastLine)
  }

  /** One command, its whole reply. */
  say(line: string): Promise<string> {
    this.talk.send(`${line}\r\n`)
    return this.reply()
  }

  /** One transaction; the replies to MAIL, each RCPT and, when any was taken, the data (LMTP: one for each taken). */
  async deliver(from: string, to: readonly string[], message: string, lmtp = false): Promise<string[]> {
    const replies = [await this.say(`MAIL FROM:<${from}>${isAscii(from + to.join()) ? '' : ' SMTPUTF8'}`)]
    let taken = 0
    for (const one of to) {
      const reply = await this.say(`RCPT TO:<${one}>`)
      replies.push(reply)
      if (reply.startsWith('250')) taken++
    }
    if (taken === 0) {
      await this.say('RSET')
      return replies
    }
    const ready = await this.say('DATA')
    if (!ready.startsWith('354')) return [...replies, ready]
    this.talk.send(`${message.replace(/^\./gm, '..')}\r\n.\r\n`)
    for (let i = 0; i < (lmtp ? taken : 1); i++) replies.push(await this.reply())
    return replies
  }

  close(): void {
    this.talk.close()
  }
}

const isAscii = (text: string) => Buffer.byteLength(text) === text.length

export class Imap {
  readonly talk: Talk
  #next = 1
  constructor(talk: Talk) {
    this.talk = talk
  }

  /** Signed in, with `mailbox` selected unless it is empty. */
  static async open(port: number, email: string, password: string, mailbox = 'INBOX'): Promise<Imap> {
    const client = new Imap(await dial(port))
    await client.talk.until(/^\* OK .*\r\n/m)
    const answer = await client.say(`LOGIN "${email}" "${password}"`)
    if (!/ OK /.test(answer)) throw new Error(answer)
    if (mailbox) await client.say(`SELECT "${mailbox}"`)
    return client
  }

  /** One command; everything up to its tagged reply. */
  say(line: string): Promise<string> {
    const tag = `t${this.#next++}`
    this.talk.send(`${tag} ${line}\r\n`)
    return this.talk.until(new RegExp(`^${tag} .*\\r\\n`, 'm'))
  }

  async idle(): Promise<void> {
    this.talk.send('idle IDLE\r\n')
    await this.talk.until(/^\+ .*\r\n/m)
  }

  async done(): Promise<void> {
    this.talk.send('DONE\r\n')
    await this.talk.until(/^idle .*\r\n/m)
  }

  /** Number of messages in `mailbox`. */
  async count(mailbox = 'INBOX'): Promise<number> {
    return Number(/MESSAGES (\d+)/.exec(await this.say(`STATUS "${mailbox}" (MESSAGES)`))?.[1])
  }

  close(): void {
    this.talk.close()
  }
}

export const message = (subject: string, body = 'Hello') =>
  `From: eve@elsewhere.test\r\nTo: somebody@posthorn.test\r\nSubject: ${subject}\r\n\r\n${body}`

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
