// For the tests of the IMAP door: a server on a real store in a temporary folder, with two accounts, and clients without a network.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { type AccountWrites, createAccountReads, createAccountWrites } from '../../../accounts/index.ts'
import { type AccountId, directClient, realClock, silentLog } from '../../../base/index.ts'
import {
  createMailReads,
  createMailTx,
  createMailWrites,
  createSpool,
  type MailWrites,
  packMailbox,
} from '../../../mail/index.ts'
import { openReadStore, openSearchReader, openStore, type ReadStore, type StoreOptions } from '../../../store/index.ts'
import { createImapServer, type ImapServer, type ImapServerOptions } from '../index.ts'

export interface ImapWorld {
  readonly server: ImapServer
  readonly writes: MailWrites
  /** The server's data folder, and its store for reading. */
  readonly data: string
  readonly store: ReadStore
  readonly accounts: { readonly ann: AccountId; readonly bob: AccountId }
  readonly updateAccount: AccountWrites['updateAccount']
  /** Packs what FETCH shows of ann's mailbox, as the job does. */
  pack(name: string): Promise<void>
  /** A connection from 127.0.0.1. */
  connect(): ImapClient
  close(): Promise<void>
}

/** ann@example.test and bob@example.test sign in with `secret-word`; bob has room for three messages. */
export async function openImapWorld(options: Partial<ImapServerOptions> = {}): Promise<ImapWorld> {
  const data = mkdtempSync(join(tmpdir(), 'posthorn-imap-'))
  const storeOptions: StoreOptions = {
    store: 'sqlite',
    data,
    clock: realClock,
    log: silentLog,
    onFatal: (error) => {
      throw error
    },
  }
  const store = await openStore(storeOptions)
  const readable = await openReadStore(storeOptions)
  const index = openSearchReader(storeOptions)
  const tx = createMailTx({ store, log: silentLog })
  const accounts = createAccountWrites({
    store,
    log: silentLog,
    ensureMailboxes: (writer, account) => tx.ensureMailboxes(writer, account),
  })
  await accounts.addDomain('example.test')
  const password = 'secret-word'
  const ann = await accounts.addAccount({ email: 'ann@example.test', password })
  const root = { email: 'root@example.test', password, admin: true }
  await accounts.addAccount(root)
  const bob = await accounts.addAccount({ email: 'bob@example.test', password, quotaMessages: 3 })
  const writes = createMailWrites({ store, log: silentLog })
  const server = createImapServer({
    services: {
      accounts: createAccountReads({
        store: readable,
        clock: realClock,
        log: silentLog,
        hostname: 'mail.example.test',
      }),
      reads: createMailReads(readable, index),
      writes,
      bell: readable.bell,
      spool: () => createSpool({ blobs: readable.blobs, maxSize: options.maxMessageSize ?? 1_000_000 }),
    },
    hostname: 'mail.example.test',
    version: '1',
    clock: realClock,
    log: silentLog,
    tls: () => undefined,
    plaintext: 'always',
    proxies: [],
    maxMessageSize: 1_000_000,
    ...options,
    limits: { failedLoginDelayMs: 0, ...options.limits },
  })
  return {
    server,
    writes,
    data,
    store: readable,
    accounts: { ann: ann.id, bob: bob.id },
    updateAccount: accounts.updateAccount,
    async pack(name) {
      await packMailbox(store, realClock, (await createMailReads(readable).mailbox(ann.id, name))!.id)
    },
    connect() {
      const [near, far] = duplexPair()
      void server.handle(far, directClient('127.0.0.1'))
      return new ImapClient(near)
    },
    async close() {
      await server.stop(0)
      index.close()
      await readable.close()
      await store.close()
      rmSync(data, { recursive: true })
    },
  }
}

/** Speaks lines; literals of answers are lines among others. */
export class ImapClient {
  readonly #socket: Duplex
  #text = ''
  #ended = false
  #wake = () => {}

  constructor(socket: Duplex) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }

  say(text: string): void {
    this.#socket.write(Buffer.from(text, 'latin1'))
  }

  /** The next line without its end; undefined when the server hung up. */
  async hear(): Promise<string | undefined> {
    for (;;) {
      const at = this.#text.indexOf('\r\n')
      if (at >= 0) {
        const line = this.#text.slice(0, at)
        this.#text = this.#text.slice(at + 2)
        return line
      }
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Lines up to the one that begins with `start`. */
  async until(start: string): Promise<string[]> {
    const lines: string[] = []
    for (;;) {
      const line = await this.hear()
      if (line === undefined) throw new Error(`the server hung up after ${JSON.stringify(lines)}`)
      lines.push(line)
      if (line.startsWith(start)) return lines
    }
  }

  /** Sends a command and returns every line of its answer, the tagged one last. */
  command(text: string): Promise<string[]> {
    this.say(`x ${text}\r\n`)
    return this.until('x ')
  }

  async login(user = 'ann'): Promise<void> {
    await this.until('* OK')
    await this.command(`LOGIN ${user}@example.test secret-word`)
  }

  append(mailbox: string, message: string, flags = ''): Promise<string[]> {
    return this.command(`APPEND ${mailbox} ${flags}{${message.length}+}\r\n${message}`)
  }

  close(): void {
    this.#socket.destroy()
  }
}
