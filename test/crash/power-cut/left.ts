// Opens what a cut left and compares it with what was sent.

import { createMailReads } from '../../../src/mail/index.ts'
import { accountRows, queueRows, toBuffer } from '../../../src/store/index.ts'
import { findProblems, type Opened, openLeft } from '../inspect.ts'
import type { Note } from './notes.ts'
import { type Sent, tags } from './record.ts'

export interface Expected {
  /** All that was begun. */
  readonly sent: readonly Sent[]
  /** Had their 250 or OK before the cut. */
  readonly acknowledged: ReadonlySet<Sent>
  /** Had been taken out by then, and that was acknowledged. */
  readonly removed: ReadonlySet<Sent>
  /** What the next server has, whether from before the cut or after. */
  readonly relayed: () => ReadonlySet<string>
}

/** What is wrong with the store in the folder. */
export async function findLosses(data: string, { sent, acknowledged, removed, relayed }: Expected): Promise<string[]> {
  const store = await openLeft(data)
  try {
    const problems = await findProblems(store, data)
    const found = new Map<string, number>()
    const byId = new Map(sent.map((one) => [one.id, one]))
    for await (const { to, bytes } of everything(store)) {
      const id = /^Subject: (.*)\r$/m.exec(bytes.subarray(0, 4_096).toString('latin1'))?.[1] ?? ''
      const original = byId.get(id)
      if (original?.to !== to || !isWhole(bytes, original))
        problems.push(`${id || 'a message'} of ${to} is not as sent`)
      else found.set(id, (found.get(id) ?? 0) + 1)
    }
    const there = relayed()
    for (const one of sent) {
      const count = found.get(one.id) ?? 0
      if (count > 1) problems.push(`${one.id} is there ${count} times`)
      if (count > 0 && removed.has(one)) problems.push(`${one.id} was expunged and is there`)
      if (count === 0 && acknowledged.has(one) && !one.removed && !there.has(one.id))
        problems.push(`${one.id} was acknowledged and is lost`)
    }
    return problems
  } finally {
    await store.close()
  }
}

/** As sent, below the lines that the server added. */
function isWhole(bytes: Buffer, { text, appended }: Sent): boolean {
  const sent = Buffer.from(text, 'latin1')
  if (appended) return bytes.equals(sent)
  const added = bytes.subarray(0, bytes.length - sent.length).toString('latin1')
  return bytes.subarray(added.length).equals(sent) && added.endsWith('\r\n') && added.includes('Received: ')
}

async function* everything(store: Opened): AsyncGenerator<{ to: string; bytes: Buffer }> {
  const mail = createMailReads(store)
  for (const { id, domain, local } of await store.read((tx) => accountRows.list(tx, { domain: '', local: '' }))) {
    const inbox = await mail.mailbox(id, 'INBOX')
    for (const row of inbox ? await mail.rows(inbox.id, [[1, inbox.uidNext]], {}) : [])
      yield { to: `${local}@${domain}`, bytes: await mail.bytes(row, 0, row.size) }
  }
  for (const message of await store.read((tx) => queueRows.listMessages(tx, 0, 1_000))) {
    const content = await store.read((tx) => queueRows.contentOf(tx, message.content))
    const body =
      content!.file === null ? toBuffer(content!.data!) : await store.blobs.read(content!.file, 0, content!.size)
    for (const { address } of await store.read((tx) => queueRows.recipientsOf(tx, message.id, 0, 1_000)))
      yield { to: address, bytes: Buffer.concat([message.prefix, body]) }
  }
}

/** Those who had their 250 or OK within so many notes. */
export function acknowledgedBy(notes: readonly Note[], count: number, sent: readonly Sent[]): Set<Sent> {
  const appended = `${tags.appended} OK`
  return toldBy(notes, count, sent, (text) => text.includes('250 2.0.0 Ok: queued as') || text.startsWith(appended))
}

/** Those of whom it was acknowledged within so many notes that they are gone. */
export function removedBy(notes: readonly Note[], count: number, sent: readonly Sent[]): Set<Sent> {
  return toldBy(notes, count, sent, (text) => text.startsWith(`${tags.removed} OK`))
}

function toldBy(
  notes: readonly Note[],
  count: number,
  sent: readonly Sent[],
  says: (text: string) => boolean,
): Set<Sent> {
  const byPort = new Map(sent.map((one) => [one.port, one]))
  const told = new Set<Sent>()
  for (const note of notes.slice(0, count))
    for (const change of note) {
      if (change.kind !== 'reply' || !says(change.text)) continue
      const one = byPort.get(change.port)
      if (one) told.add(one)
    }
  return told
}
