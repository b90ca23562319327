// For tests and measurements of mail: a store with a domain and accounts in it, and messages as a spool would make them.

import { type AccountId, type MailboxId, silentLog } from '../../base/index.ts'
import { openReadStore, type Store, type StoreOptions, sql } from '../../store/index.ts'
import { checkMail } from '../check.ts'
import { createMailReads } from '../reads.ts'
import { createSpool } from '../spool.ts'
import { createMailTx } from '../tx.ts'
import type { MailReads, MailTx, MailWrites, NewContent } from '../types.ts'
import { createMailWrites } from '../writes.ts'

export interface Mail {
  readonly store: Store
  readonly reads: MailReads
  readonly writes: MailWrites
  readonly tx: MailTx
  /** A new account with its six mailboxes. */
  addAccount(quota?: { readonly bytes?: number; readonly messages?: number }): Promise<AccountId>
  inbox(account: AccountId): Promise<MailboxId>
  mailbox(account: AccountId, name: string): Promise<MailboxId>
  content(text: string | Buffer): Promise<NewContent>
  check(): Promise<string[]>
  close(): Promise<void>
}

/** Mail on an open store, read through a store of its own as doors do. */
export async function openMail(writable: Store, options: StoreOptions): Promise<Mail> {
  const readable = await openReadStore(options)
  const reads = createMailReads(readable)
  const tx = createMailTx({ store: writable, log: silentLog })
  let accounts = 0
  return {
    store: writable,
    reads,
    tx,
    writes: createMailWrites({ store: writable, log: silentLog }),
    addAccount: (quota = {}) =>
      writable.write('server', async (writer) => {
        await writer.run(sql`
          INSERT INTO domain (id, name, created_at) VALUES (1, 'example.test', 0) ON CONFLICT (id) DO NOTHING`)
        const row = await writer.get<{ id: AccountId }>(sql`
          INSERT INTO account (domain, local, quota_bytes, quota_messages, created_at)
          VALUES (1, ${`user${++accounts}`}, ${quota.bytes ?? null}, ${quota.messages ?? null}, 0) RETURNING id`)
        await tx.ensureMailboxes(writer, row!.id)
        return row!.id
      }),
    inbox: async (account) => (await reads.mailbox(account, 'INBOX'))!.id,
    mailbox: async (account, name) => (await reads.mailbox(account, name))!.id,
    async content(text) {
      const spool = createSpool({ blobs: writable.blobs, maxSize: 100_000_000 })
      await spool.write(Buffer.from(text as string))
      return spool.finish()
    },
    check: () => checkMail(readable),
    close: () => readable.close(),
  }
}

/** A small message; `more` are further header lines. */
export function message(subject: string, more: readonly string[] = [], body = 'Hello.\r\n'): string {
  const head = ['From: ann@example.test', 'To: bob@example.test', `Subject: ${subject}`, ...more]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
