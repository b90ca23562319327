// imapflow, the IMAP client of Node programs, in a mailbox's life: it uses every extension that it finds announced.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startInstallation } from '../server.ts'
import { eventually } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

/** What this test calls of it. */
interface Flow {
  readonly capabilities: ReadonlyMap<string, unknown>
  readonly mailbox: { readonly exists: number; readonly uidNext: number; readonly path: string }
  connect(): Promise<void>
  logout(): Promise<void>
  on(
    event: string,
    listener: (event: { path: string; count?: number; uid?: number; flags?: Set<string> }) => void,
  ): void
  list(): Promise<readonly { path: string; specialUse?: string; subscribed?: boolean }[]>
  mailboxCreate(path: string): Promise<{ path: string; created: boolean; mailboxId?: string }>
  mailboxRename(from: string, to: string): Promise<unknown>
  mailboxDelete(path: string): Promise<unknown>
  mailboxOpen(path: string): Promise<{ exists: number; permanentFlags: Set<string>; highestModseq?: bigint }>
  status(path: string, items: object): Promise<{ messages: number; unseen: number }>
  append(path: string, content: string, flags: string[], date: Date): Promise<{ uid: number }>
  fetchOne(seq: string, query: object, options?: object): Promise<Message>
  fetchAll(range: string, query: object, options?: object): Promise<readonly Message[]>
  download(
    range: string,
    part: string,
    options?: object,
  ): Promise<{ meta: { filename?: string }; content: AsyncIterable<Buffer> }>
  search(query: object, options?: object): Promise<number[]>
  messageFlagsAdd(range: string, flags: string[], options?: object): Promise<boolean>
  messageMove(range: string, to: string, options?: object): Promise<{ uidMap: Map<number, number> }>
  messageCopy(range: string, to: string, options?: object): Promise<{ uidMap: Map<number, number> }>
  messageDelete(range: string, options?: object): Promise<boolean>
  idle(): Promise<boolean>
  noop(): Promise<void>
}
interface Message {
  readonly uid: number
  readonly flags: Set<string>
  readonly size: number
  readonly internalDate: Date
  readonly envelope: { readonly subject: string; readonly from: readonly { name: string; address: string }[] }
  readonly source: Buffer
  readonly bodyStructure: { readonly type: string; readonly childNodes: readonly { part: string; type: string }[] }
}

/** \Recent is for one session, and is who comes first. */
const flagsOf = ({ flags }: Message) => [...flags].filter((flag) => flag !== '\\Recent').sort()

const letter = (n: number) => `From: "Grüße" <eve@elsewhere.test>\r
To: ada@posthorn.test\r
Subject: =?utf-8?Q?Brief_N=C2=B0_${n}?=\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
\r
Wort${n} und Schnee\r
--b\r
Content-Type: application/octet-stream\r
Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.bin\r
Content-Transfer-Encoding: base64\r
\r
AAECAwQ=\r
--b--\r
`

test('imapflow appends, fetches, downloads, searches, flags, moves, idles and deletes', async (t) => {
  const { ports } = await startInstallation(t, { users })
  const { ImapFlow } = (await import('imapflow' as string)) as { ImapFlow: new (options: object) => Flow }
  const open = async (secure: boolean) => {
    const flow = new ImapFlow({
      host: '127.0.0.1',
      port: secure ? ports.imaps : ports.imap,
      secure,
      auth: { user: 'ada@posthorn.test', pass: 'correct horse' },
      tls: { rejectUnauthorized: false },
      logger: false,
    })
    await flow.connect()
    return flow
  }
  const flow = await open(true)
  const other = await open(false)
  assert.ok(flow.capabilities.has('IMAP4rev1') && flow.capabilities.has('UIDPLUS'))

  const uses = (await flow.list()).map(({ path, specialUse }) => `${path} ${specialUse}`)
  assert.ok(uses.includes('INBOX \\Inbox') && uses.includes('Sent \\Sent'), uses.join(', '))
  const { mailboxId, ...made } = await flow.mailboxCreate('Pöst/😀')
  assert.deepEqual(made, { path: 'Pöst/😀', created: true })
  assert.match(mailboxId ?? '', /^F\d+$/)
  assert.equal((await flow.mailboxCreate('Pöst/😀')).created, false, 'ALREADYEXISTS is no fault for it')

  const date = new Date(1_700_000_000_000)
  for (let n = 1; n <= 5; n++) {
    const { uid } = await flow.append('Pöst/😀', letter(n), n === 2 ? ['\\Seen', '$Forwarded'] : [], date)
    assert.equal(uid, n)
  }
  const status = await flow.status('Pöst/😀', { messages: true, unseen: true })
  assert.deepEqual([status.messages, status.unseen], [5, 4])

  const opened = await flow.mailboxOpen('Pöst/😀')
  assert.equal(opened.exists, 5)
  assert.ok(opened.permanentFlags.has('\\*'))
  const all = await flow.fetchAll('1:*', {
    envelope: true,
    flags: true,
    size: true,
    internalDate: true,
    bodyStructure: true,
    source: true,
  })
  assert.deepEqual(
    all.map(({ envelope }) => envelope.subject),
    [1, 2, 3, 4, 5].map((n) => `Brief N° ${n}`),
  )
  assert.deepEqual(all[0]!.envelope.from, [{ name: 'Grüße', address: 'eve@elsewhere.test' }])
  assert.deepEqual(flagsOf(all[1]!), ['$Forwarded', '\\Seen'])
  assert.equal(all[2]!.source.toString(), letter(3))
  assert.equal(all[2]!.size, Buffer.byteLength(letter(3)))
  assert.equal(all[2]!.internalDate.getTime(), date.getTime())
  assert.deepEqual(
    all[0]!.bodyStructure.childNodes.map(({ part, type }) => `${part} ${type}`),
    ['1 text/plain', '2 application/octet-stream'],
  )

  const { meta, content } = await flow.download('3', '2')
  assert.equal(meta.filename, 'grün.bin')
  assert.deepEqual(Buffer.concat(await Array.fromAsync(content)), Buffer.from([0, 1, 2, 3, 4]))
  assert.deepEqual(await flow.search({ body: 'schnee' }), [1, 2, 3, 4, 5])
  assert.deepEqual(await flow.search({ subject: 'N° 4' }, { uid: true }), [4])
  assert.deepEqual(await flow.search({ unKeyword: '$Forwarded', seen: false }), [1, 3, 4, 5])

  // The other connection idles and is told of a flag, a new message and one that goes.
  await other.mailboxOpen('Pöst/😀')
  const heard: string[] = []
  other.on('flags', ({ uid, flags }) => heard.push(`flags ${uid ?? ''} ${[...flags!].join()}`))
  other.on('exists', ({ count }) => heard.push(`exists ${count}`))
  other.on('expunge', () => heard.push('expunge'))
  const idling = other.idle()
  // Something must make sure that it has begun.
  await eventually('the flag is heard', async () => {
    await flow.messageFlagsAdd('1', ['\\Flagged', `$K${heard.length}${Date.now() % 1000}`])
    return heard.some((line) => line.includes('\\Flagged'))
  })
  await flow.append('Pöst/😀', letter(6), [], date)
  await eventually('the new message is heard', async () => heard.includes('exists 6'))
  assert.deepEqual([...(await flow.messageMove('2', 'Archive', { uid: true })).uidMap], [[2, 1]])
  await eventually('the removal is heard', async () => heard.includes('expunge'))
  await other.noop()
  await idling

  assert.deepEqual(
    [...(await flow.messageCopy('3:4', 'Archive', { uid: true })).uidMap],
    [
      [3, 2],
      [4, 3],
    ],
  )
  assert.equal(await flow.messageDelete('1', { uid: true }), true)
  assert.deepEqual(
    (await flow.fetchAll('1:*', { uid: true })).map(({ uid }) => uid),
    [3, 4, 5, 6],
  )
  await other.noop()
  assert.deepEqual(flagsOf(await other.fetchOne('1', { flags: true })), [])
  await flow.mailboxOpen('Archive')
  assert.deepEqual(flagsOf(await flow.fetchOne('1', { flags: true })), ['$Forwarded', '\\Seen'])
  await flow.mailboxRename('Pöst/😀', 'Post')
  await other.logout()
  await flow.mailboxDelete('Post')
  assert.ok(!(await flow.list()).some(({ path }) => path === 'Post'))
  await flow.logout()
})
