// What a client that was away asks for, on both databases: expunges since a modseq, and what changed in the account.

import assert from 'node:assert/strict'
import type { MailboxId } from '../base/index.ts'
import { serverAccess } from './metadata.ts'
import { ownAccess } from './rights.ts'
import { message, testMail } from './testing/store.ts'

testMail('every expunge is remembered with its modseq, also over many blocks', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const own = ownAccess(account, inbox)
  const content = await mail.content(message('m'))
  const start = (await mail.writes.append(own, new Array(700).fill({ content, flags: [] }))).modseq
  const remove = async (ranges: readonly (readonly [number, number])[]) => {
    await mail.writes.setFlags(own, ranges, { mode: 'add', flags: ['\\Deleted'] })
    return (await mail.writes.expunge(own)).modseq
  }
  const first = await remove([
    [2, 2],
    [255, 257],
  ])
  const second = await remove([[600, 650]])
  const all: [number, number][] = [[1, 0xffff_ffff]]
  const gone = (since: number, uids: readonly (readonly [number, number])[] = all) =>
    mail.reads.expunged(inbox, since, uids)
  assert.deepEqual(await gone(start), [
    [2, 2],
    [255, 257],
    [600, 650],
  ])
  assert.deepEqual(await gone(first), [[600, 650]])
  assert.deepEqual(await gone(second), [])
  assert.deepEqual(await gone(Number.MAX_SAFE_INTEGER), [])
  assert.deepEqual(await gone(0, [[1, 254]]), [[2, 2]])
  assert.deepEqual(
    await gone(start, [
      [256, 256],
      [640, 9999],
    ]),
    [
      [256, 256],
      [640, 650],
    ],
  )
  assert.deepEqual(await gone(start, []), [])
  // UIDs that were never given did not go.
  assert.deepEqual(await gone(0, [[701, 0xffff_ffff]]), [])
})

testMail('UNCHANGEDSINCE 0 stores a keyword where it is missing, and nothing else', async (mail) => {
  const account = await mail.addAccount()
  const own = ownAccess(account, await mail.inbox(account))
  const content = await mail.content(message('m'))
  await mail.writes.append(own, [
    { content, flags: ['\\Seen'] },
    { content, flags: ['$MDNSent'] },
  ])
  const store = (flags: string[], mode: 'add' | 'replace' = 'add') =>
    mail.writes.setFlags(own, [[1, 2]], { mode, flags, unchangedSince: 0 })
  assert.deepEqual((await store(['$MDNSent'])).modified, [[2, 2]])
  assert.deepEqual((await store(['$MDNSent'])).modified, [[1, 2]])
  assert.deepEqual((await store(['\\Flagged'])).modified, [[1, 2]])
  assert.deepEqual((await store(['other'], 'replace')).modified, [[1, 2]])
})

testMail('annotations are changes of the account and of the mailbox', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const before = (await mail.reads.changes(account))!
  assert.deepEqual(before.changes, [])
  const { modseq } = (await mail.reads.mailboxById(inbox))!
  const note = [{ entry: '/private/comment', value: Buffer.from('x') }]
  await mail.writes.setMetadata(ownAccess(account, inbox), note)
  await mail.writes.setMetadata(serverAccess(account), note)
  const page = (await mail.reads.changes(account, before.cursor))!
  assert.deepEqual(
    page.changes.map(({ kind, container }) => [kind, container]),
    [
      ['annotation', inbox],
      ['annotation', 0 as MailboxId],
    ],
  )
  assert.ok((await mail.reads.mailboxById(inbox))!.modseq > modseq)
  assert.deepEqual((await mail.reads.changes(account, page.cursor))!.changes, [])
})
