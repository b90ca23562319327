// Mail as it is handed to a server and as it is found again, byte for byte.

import { connect } from 'node:net'
import { Talk } from '../../world/talk.ts'
import { type ImapTalk, openImap } from '../answers.ts'

export interface Handed {
  readonly from: string
  readonly to: readonly string[]
  /** What follows MAIL FROM:<…> and each RCPT TO:<…>. */
  readonly params?: string
  readonly recipientParams?: string
  /** With CRLF. */
  readonly text: Buffer
}

/** Whoever comes from here may relay. */
export const trusted = '127.0.0.2'

/** Hands a message to the server on that port, from the address that may relay; fails unless all of it is taken. */
export async function hand(port: number, { from, to, params = '', recipientParams = '', text }: Handed): Promise<void> {
  await inSession(port, async (say, talk) => {
    await say(`MAIL FROM:<${from}>${params && ` ${params}`}`, '250')
    for (const one of to) await say(`RCPT TO:<${one}>${recipientParams && ` ${recipientParams}`}`, '250')
    await say('DATA', '354')
    talk.send(stuff(text))
    await say('.', '250')
  })
}

/** The same in one chunk, as binary content (RFC 3030). */
export async function handBinary(
  port: number,
  { from, to, text }: { from: string; to: string; text: Buffer },
): Promise<void> {
  await inSession(port, async (say, talk) => {
    await say(`MAIL FROM:<${from}> BODY=BINARYMIME`, '250')
    await say(`RCPT TO:<${to}>`, '250')
    talk.send(Buffer.concat([Buffer.from(`BDAT ${text.length} LAST\r\n`), text]))
    await say('', '250')
  })
}

/**
 * Sends a message within which a second transaction hides, all in one piece, and listens to what is said. Answers the Subject lines of the
 * messages that the server took, by its own count.
 */
export async function attack(
  port: number,
  { from, to, name }: { from: string; to: string; name: string },
  inside: string,
): Promise<string[]> {
  const talk = new Talk(connect({ port, host: '127.0.0.1', localAddress: trusted }))
  let heard = ''
  talk.socket.on('data', (chunk) => (heard += chunk.toString('latin1')))
  talk.send('EHLO client.test\r\n')
  await talk.until(/^250 .*\r\n/m)
  // OpenSMTPD takes no commands ahead.
  for (const command of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA']) {
    talk.send(`${command}\r\n`)
    await talk.until(/^(250|354) .*\r\n/m)
  }
  heard = ''
  talk.send(Buffer.from(`Subject: carrier ${name}\r\n\r\na${inside}QUIT\r\n`, 'latin1'))
  await Promise.race([talk.ended(), new Promise((done) => setTimeout(done, 2_000))])
  talk.close()
  const subjects = [`Subject: carrier ${name}`, ...(/^Subject: .*$/gm.exec(inside) ?? [])].map((line) => line.trimEnd())
  const taken = heard.split('\r\n').filter((line) => /^250 .*(queued|OK id|accepted for delivery)/i.test(line)).length
  return subjects.slice(0, taken)
}

async function inSession(
  port: number,
  work: (say: (line: string, code: string) => Promise<void>, talk: Talk) => Promise<void>,
): Promise<void> {
  const talk = new Talk(connect({ port, host: '127.0.0.1', localAddress: trusted }))
  const say = async (line: string, code: string) => {
    if (line !== '') talk.send(`${line}\r\n`)
    const reply = await talk.until(/^\d{3} .*\r\n/m, 30_000)
    if (!reply.startsWith(code)) throw new Error(`${line || 'what came'}: ${reply}`)
  }
  try {
    await say('', '220')
    await say('EHLO client.test', '250')
    await work(say, talk)
  } finally {
    talk.close()
  }
}

function stuff(text: Buffer): Buffer {
  const latin = text.toString('latin1')
  return Buffer.from(latin.replaceAll('\r\n.', '\r\n..').replace(/^\./, '..'), 'latin1')
}

/** A header of several forms, and the body. `subject` names the message. */
export function compose(subject: string, body: Buffer | string, head: readonly string[] = []): Buffer {
  const lines = [
    'From: "Eve, of elsewhere" <eve@elsewhere.test>',
    'To: somebody@posthorn.test,\r\n\t"Some \\"Body\\"" <bob@elsewhere.test>',
    `Subject: ${subject}`,
    'Date: Sat, 01 Mar 2025 12:00:00 +0000',
    `Message-ID: <${subject.replace(/[^\w.]/g, '')}.${process.pid}@elsewhere.test>`,
    'X-Folded: one\r\n   two\r\n\tthree ',
    'X-Words: =?iso-8859-1?q?gr=FC=DFe?=',
    ...head,
  ]
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes])
}

export const withCrlf = (kept: Buffer): Buffer =>
  Buffer.from(kept.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')

/** The INBOX of a user, who removes nothing: each message is read once. */
export class Inbox {
  readonly #imap: ImapTalk
  readonly #messages: Buffer[] = []
  #last: Promise<unknown> = Promise.resolve()

  private constructor(imap: ImapTalk) {
    this.#imap = imap
  }

  static async open(port: number, email: string, password: string): Promise<Inbox> {
    const imap = openImap(port)
    await imap.ok('LOGIN ', Buffer.from(email), ` "${password}"`)
    await imap.ok('ENABLE UTF8=ACCEPT')
    return new Inbox(imap)
  }

  /** All messages that are there. */
  messages(): Promise<readonly Buffer[]> {
    const read = this.#last.then(() => this.#read())
    this.#last = read.catch(() => {})
    return read
  }

  async #read(): Promise<readonly Buffer[]> {
    const selected = await this.#imap.ok('SELECT INBOX')
    const count = Number(/^\* (\d+) EXISTS/m.exec(selected.join('\n'))?.[1] ?? 0)
    for (let n = this.#messages.length + 1; n <= count; n++)
      this.#messages.push((await this.#imap.fetch(n, 'BODY.PEEK[]')).get('BODY[]') as Buffer)
    return this.#messages
  }

  close(): void {
    this.#imap.end()
  }
}
