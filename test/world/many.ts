// For tests of many connections and large mailboxes: sockets that keep nothing but the end of what they hear.

import { connect, type Socket } from 'node:net'
import tls from 'node:tls'

/** A session that is asked for much: answers are looked at only for their end. */
export class Sink {
  readonly #socket: Socket
  #tail = ''
  #next = 1
  #awaited:
    | { readonly mark: string; readonly done: (line: string) => void; readonly fail: (error: Error) => void }
    | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      const end = chunk.length > KEPT ? chunk.toString('latin1', chunk.length - KEPT) : chunk.toString('latin1')
      this.#tail = (this.#tail + end).slice(-2 * KEPT)
      this.#look()
    })
    const gone = () => this.#awaited?.fail(new Error(`the server hung up: ${this.#tail}`))
    socket.on('close', gone).on('error', gone)
  }

  static async open(port: number, secure = false): Promise<Sink> {
    const socket = secure
      ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : connect({ port, host: '127.0.0.1', noDelay: true })
    const sink = new Sink(socket)
    await sink.hear('* OK ')
    return sink
  }

  async login(email: string, password: string): Promise<this> {
    await this.say(`LOGIN "${email}" "${password}"`)
    return this
  }

  /** One command, whole with its literals; its tagged reply, which must be OK. */
  async say(line: string): Promise<string> {
    const tag = `s${this.#next++}`
    this.#tail = ''
    const heard = this.hear(`${tag} `)
    this.#socket.write(`${tag} ${line}\r\n`, 'latin1')
    const reply = await heard
    if (!reply.startsWith(`${tag} OK`)) throw new Error(`${line.slice(0, 100)}: ${reply}`)
    return reply
  }

  async idle(): Promise<void> {
    this.#tail = ''
    const heard = this.hear('+ ')
    this.#socket.write('idle IDLE\r\n')
    await heard
  }

  /** The next line that begins with `mark`. */
  hear(mark: string): Promise<string> {
    return new Promise((done, fail) => {
      this.#awaited = { mark, done, fail }
      this.#look()
    })
  }

  #look(): void {
    if (!this.#awaited) return
    const { mark, done } = this.#awaited
    const at = this.#tail.startsWith(mark) ? 0 : this.#tail.indexOf(`\n${mark}`) + 1
    if (at === 0 && !this.#tail.startsWith(mark)) return
    const end = this.#tail.indexOf('\r\n', at)
    if (end < 0) return
    const line = this.#tail.slice(at, end)
    this.#tail = this.#tail.slice(end + 2)
    this.#awaited = undefined
    done(line)
  }

  close(): void {
    this.#socket.destroy()
  }
}
/** More than a greeting with all capabilities. */
const KEPT = 8192

/** Appends `count` small messages to `mailbox`, a thousand at once. */
export async function fillMailbox(sink: Sink, mailbox: string, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1_000) {
    const texts = Array.from({ length: Math.min(1_000, count - at) }, (_, i) => smallMessage(at + i))
    await sink.say(`APPEND ${mailbox} ${texts.map((text) => `{${text.length}+}\r\n${text}`).join(' ')}`)
  }
}

const smallMessage = (n: number) =>
  `From: "Sender ${n % 97}" <s${n % 97}@elsewhere.test>\r\nTo: ada@posthorn.test\r\nSubject: message ${n}\r\nMessage-ID: <${n}@elsewhere.test>\r\nDate: Mon, 02 Jan 2023 03:04:05 +0000\r\n\r\nText of message ${n}.\r\n${'Some more words of it.\r\n'.repeat(8)}`

export interface Delays {
  readonly count: number
  readonly median: number
  /** Nineteen of twenty took no longer. */
  readonly most95: number
  readonly worst: number
}

/** Calls `ask` again and again while `work` runs; how long each call took. */
export async function delaysWhile(ask: () => Promise<unknown>, work: () => Promise<unknown>): Promise<Delays> {
  let working = true
  const finished = work().finally(() => (working = false))
  const times: number[] = []
  while (working) {
    const began = performance.now()
    await ask()
    times.push(performance.now() - began)
    await new Promise((done) => setTimeout(done, 2))
  }
  await finished
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor((times.length - 1) * share)] ?? 0
  return { count: times.length, median: at(0.5), most95: at(0.95), worst: at(1) }
}
