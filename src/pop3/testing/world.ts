// For the tests of the POP3 door: a server on a real store in a temporary folder with one account, and its INBOX to fill and to look at.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AccountWrites,
  createAccountReads,
  createAccountWrites,
  createMaildropLocks,
} from '../../accounts/index.ts'
import { type AccountId, Fault, realClock, silentLog } from '../../base/index.ts'
import { createMailReads, createMailTx, createMailWrites, createSpool, type Located } from '../../mail/index.ts'
import { openReadStore, openStore, type StoreOptions } from '../../store/index.ts'
import { createPop3Server, type Pop3Server, type Pop3ServerOptions } from '../index.ts'

export interface Pop3World {
  readonly server: Pop3Server
  readonly account: AccountId
  readonly accounts: AccountWrites
  readonly inbox: () => Promise<Located>
  /** Puts messages at the end of INBOX; returns their UIDs. */
  append(...messages: readonly (string | Buffer)[]): Promise<number[]>
  /** Flags of what INBOX holds, `uid: \Seen \Deleted`. */
  contents(): Promise<string[]>
  expunge(uid: number): Promise<void>
  /** From now on the store takes nothing from the door. */
  failWrites(): void
  close(): Promise<void>
}

/** ann@example.test signs in with `secret-word`. */
export async function openPop3World(options: Partial<Pop3ServerOptions> = {}): Promise<Pop3World> {
  const data = mkdtempSync(join(tmpdir(), 'posthorn-pop3-'))
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
  const tx = createMailTx({ store, log: silentLog })
  const accounts = createAccountWrites({
    store,
    log: silentLog,
    ensureMailboxes: (writer, account) => tx.ensureMailboxes(writer, account),
  })
  await accounts.addDomain('example.test')
  const { id } = await accounts.addAccount({ email: 'ann@example.test', password: 'secret-word' })
  const reads = createMailReads(readable)
  const writes = createMailWrites({ store, log: silentLog })
  let failing = false
  const refuse = () => Promise.reject(new Fault('disk-full', 'no room'))
  const server = createPop3Server({
    services: {
      accounts: createAccountReads({
        store: readable,
        clock: realClock,
        log: silentLog,
        hostname: 'mail.example.test',
      }),
      reads,
      writes: {
        setFlags: (...args) => (failing ? refuse() : writes.setFlags(...args)),
        expunge: (...args) => (failing ? refuse() : writes.expunge(...args)),
      },
      locks: createMaildropLocks(),
      bell: readable.bell,
    },
    hostname: 'mail.example.test',
    clock: realClock,
    log: silentLog,
    tls: () => undefined,
    plaintext: 'always',
    proxies: [],
    ...options,
    limits: { failedLoginDelayMs: 0, ...options.limits },
  })
  const inbox = () => reads.resolve(id, 'INBOX', 'r')
  return {
    server,
    account: id,
    accounts,
    inbox,
    async append(...messages) {
      const items = []
      for (const message of messages) {
        const spool = createSpool({ blobs: readable.blobs, maxSize: 1_000_000_000 })
        await spool.write(Buffer.from(message))
        items.push({ content: await spool.finish(), flags: [] })
      }
      return (await writes.append((await inbox()).access, items)).uids
    },
    async contents() {
      const found = await reads.changesSince((await inbox()).mailbox.id, 0)
      const lines: string[] = []
      for (const { block, count, present, lo } of found!.blocks)
        for (let slot = 0; slot < count; slot++)
          if (present[slot])
            lines.push(`${block * 256 + slot}:${lo[slot]! & 1 ? ' \\Seen' : ''}${lo[slot]! & 8 ? ' \\Deleted' : ''}`)
      return lines
    },
    async expunge(uid) {
      const { access } = await inbox()
      await writes.setFlags(access, [[uid, uid]], { mode: 'add', flags: ['\\Deleted'] })
      await writes.expunge(access, [[uid, uid]])
    },
    failWrites() {
      failing = true
    },
    async close() {
      await server.stop(0)
      await readable.close()
      await store.close()
      rmSync(data, { recursive: true })
    },
  }
}
