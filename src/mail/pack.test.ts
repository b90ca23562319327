// What FETCH shows is packed by a job, and says the same as the rows it was made of.

import assert from 'node:assert/strict'
import { type AccountId, type MailboxId, realClock } from '../base/index.ts'
import { fetchBlockRows, jobRows } from '../store/index.ts'
import { type FetchBlock, FieldChooser, isPresent } from './index.ts'
import { packMailbox } from './pack.ts'
import { ownAccess } from './rights.ts'
import { sweepMailbox } from './sweep.ts'
import { type Mail, message, testMail } from './testing/store.ts'

const every = ['envelope', 'bodystructure', 'fields'] as const

async function append(mail: Mail, account: AccountId, box: MailboxId, count: number) {
  const items = []
  for (let i = 0; i < count; i++) {
    // A large one stands in a file, a header too long is left to its bytes.
    const body = i === 3 ? 'x'.repeat(70_000) : 'Hello.\r\n'
    const more = i === 5 ? [`X-Long: ${'y'.repeat(5_000)}`] : ['Received: from a', `X-Number: ${i}`]
    const content = await mail.content(message(`m${i}`, more, body))
    items.push({ content, flags: [], receivedAt: 1_000 * i, prefix: Buffer.from('Delivered-To: bob\r\n') })
  }
  return mail.writes.append(ownAccess(account, box), items)
}

const blocksOf = (mail: Mail, box: MailboxId) => mail.reads.fetchBlocks(box, 0, 100, every)
const uidsOf = (blocks: ReadonlyMap<number, FetchBlock>) =>
  [...blocks].flatMap(([number, block]) =>
    [...block.states.keys()].filter((slot) => isPresent(block, slot)).map((slot) => number * 64 + slot),
  )
const packJobs = async (mail: Mail) =>
  (await mail.store.read((tx) => jobRows.listJobs(tx, 100))).filter(({ name }) => name === 'pack-mailbox')

testMail('complete blocks are packed, and hold what the rows hold', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await append(mail, account, inbox, 200)
  assert.equal((await packJobs(mail)).length, 0)
  await append(mail, account, inbox, 60)
  assert.deepEqual(
    (await packJobs(mail)).map(({ payload }) => JSON.parse(payload)),
    [{ mailbox: inbox }],
  )
  assert.equal((await blocksOf(mail, inbox)).size, 0)
  await packMailbox(mail.store, realClock, inbox)
  const blocks = await blocksOf(mail, inbox)
  assert.deepEqual([...blocks.keys()], [0, 1, 2, 3])
  const rows = await mail.reads.rows(inbox, [[1, 255]], { envelope: true, bodystructure: true })
  assert.deepEqual(
    uidsOf(blocks),
    rows.map(({ uid }) => uid),
  )
  for (const row of rows) {
    const block = blocks.get(Math.floor(row.uid / 64))!
    const slot = row.uid % 64
    const text = (part: (typeof every)[number]) => {
      const { bytes, ends } = block[part]!
      return bytes.subarray(slot === 0 ? 0 : ends[slot - 1]!, ends[slot]!)
    }
    assert.equal(`${text('envelope')}`, row.envelope)
    assert.equal(`${text('bodystructure')}`, row.bodystructure)
    assert.equal(block.sizes[slot], row.size)
    assert.equal(block.received[slot], row.receivedAt)
    const fields = text('fields')
    const isLong = row.size > 5_000 && row.size < 70_000
    assert.equal(fields.length === 0, isLong, `UID ${row.uid}`)
    if (isLong) continue
    const chooser = FieldChooser.of(['delivered-to', 'x-number'])!
    chooser.find(fields, 0)
    assert.ok(fields.includes('Delivered-To: bob\r\n'), `UID ${row.uid}`)
    assert.ok(!fields.includes('Received'))
  }
})

testMail('what is gone is packed no more', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await append(mail, account, inbox, 260)
  await packMailbox(mail.store, realClock, inbox)
  const jobs = (await packJobs(mail)).length
  const access = ownAccess(account, inbox)
  await mail.writes.setFlags(
    access,
    [
      [10, 20],
      [64, 127],
    ],
    { mode: 'add', flags: ['\\Deleted'] },
  )
  await mail.writes.expunge(access)
  assert.equal((await packJobs(mail)).length, jobs + 1)
  await packMailbox(mail.store, realClock, inbox)
  const blocks = await blocksOf(mail, inbox)
  assert.deepEqual([...blocks.keys()], [0, 2, 3])
  assert.ok(!uidsOf(blocks).some((uid) => uid >= 10 && uid <= 20))
  assert.equal(uidsOf(blocks).length, 255 - 11 - 64)
  await mail.writes.move(access, [[1, 9]], ownAccess(account, await mail.mailbox(account, 'Trash')))
  assert.equal((await packJobs(mail)).length, jobs + 2)
})

testMail('a reader who finds nothing packed has it packed, once', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await append(mail, account, inbox, 130)
  assert.equal((await packJobs(mail)).length, 0)
  await mail.writes.pack(account, inbox)
  await mail.writes.pack(account, inbox)
  assert.equal((await packJobs(mail)).length, 1)
  await packMailbox(mail.store, realClock, inbox)
  assert.deepEqual([...(await blocksOf(mail, inbox)).keys()], [0, 1])
  await mail.writes.pack(account, inbox)
  assert.equal((await packJobs(mail)).length, 2)
})

testMail('blocks go with their mailbox', async (mail) => {
  const account = await mail.addAccount()
  const { id } = await mail.writes.createMailbox(account, 'Old')
  await append(mail, account, id, 260)
  await packMailbox(mail.store, realClock, id)
  await mail.writes.deleteMailbox(account, 'Old')
  await packMailbox(mail.store, realClock, id)
  await sweepMailbox(mail.store, id)
  assert.deepEqual(await mail.store.read((tx) => fetchBlockRows.facts(tx, id, -1, 1_000)), [])
})
