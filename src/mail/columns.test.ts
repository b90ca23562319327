// Columns are the same whether they are packed in the search index, partly, or not at all.

import assert from 'node:assert/strict'
import { type Bench, onEachStore } from '../../test/stores.ts'
import { type Clock, type MailboxId, realClock, silentLog } from '../base/index.ts'
import { toCollation } from '../mime/index.ts'
import { indexingRows, openReadStore, openSearchReader, openSearchWriter } from '../store/index.ts'
import { type ColumnName, type Columns, packedColumns, type Texts } from './columns.ts'
import { createIndexer, createMailReads, type MailReads } from './index.ts'
import { createPacker } from './packer.ts'
import { ownAccess } from './rights.ts'
import { message, openMail } from './testing/open.ts'

const wanted = packedColumns

/** What each message has, by UID. */
async function look(reads: MailReads, inbox: MailboxId, uids: Uint32Array): Promise<Map<number, unknown[]>> {
  const found = new Map<number, unknown[]>()
  const asked = new Set(uids)
  let last = 0
  for await (const columns of reads.columns(inbox, uids, wanted)) {
    assert.ok(columns.uids.length <= 1000)
    for (const [i, uid] of columns.uids.entries()) {
      assert.ok(uid > last, 'ascending')
      last = uid
      if (asked.has(uid))
        found.set(
          uid,
          wanted.map((name) => valueAt(columns, name, i)),
        )
    }
  }
  return found
}

function valueAt({ values }: Columns<ColumnName>, name: ColumnName, i: number): unknown {
  const value = values[name]
  if (value instanceof Float64Array) return value[i]
  if ('places' in value) return (value as Texts).texts[value.places[i]!]
  const { ids, subjects, sentAt, replies, ends, refs } = value
  const own = refs.slice(i === 0 ? 0 : ends[i - 1]!, ends[i])
  return [ids[i], subjects[i], sentAt[i], replies[i], ...own]
}

const hurried = (): Clock => {
  let passed = 0
  return { ...realClock, monotonic: () => (passed += 5_000) }
}

/** 2,300 messages in INBOX of which some are gone, a reader with an index and one without. */
async function withMailbox(
  { store, options }: Bench,
  run: (parts: {
    readonly plain: MailReads
    readonly packed: MailReads
    readonly inbox: MailboxId
    readonly uids: Uint32Array
    fill(): Promise<void>
    expunge(from: number, to: number): Promise<void>
  }) => Promise<void>,
): Promise<void> {
  const mail = await openMail(store, options)
  const readable = await openReadStore(options)
  const reader = openSearchReader({ ...options, log: silentLog })
  await store.write('server', (tx) => indexingRows.storeName(tx, 'this'))
  const writer = await openSearchWriter({ data: options.data, store: 'this', log: silentLog })
  const indexer = createIndexer({ store: readable, index: writer, clock: hurried(), log: silentLog })
  try {
    const ann = await mail.addAccount()
    const inbox = await mail.inbox(ann)
    const access = ownAccess(ann, inbox)
    const texts = Array.from({ length: 40 }, (_, n) =>
      message(
        n % 3 === 0
          ? `Re: größe ${n}`
          : n === 7
            ? `long ${'x'.repeat(600)}`
            : n === 8
              ? `wide ${'y'.repeat(30_000)}`
              : `number_${n} \u{1f600}`,
        [
          `Message-ID: <"m${n}"@x>`,
          ...(n % 4 === 1 ? [`References: <m${n - 1}@x> <r${n}@x>`, 'Date: 1 Jan 2020 00:00:00 +0000'] : []),
          ...(n % 4 === 2 ? [`In-Reply-To: <m${n - 2}@x> <other@x>`, `Cc: C${n} <c${n}@x.test>, d@x.test`] : []),
        ],
      ),
    )
    const contents = await Promise.all(texts.map((text) => mail.content(text)))
    for (let n = 0; n < 2300; n += 100) {
      const items = Array.from({ length: 100 }, (_, i) => ({
        content: contents[(n * 7 + i) % 40]!,
        flags: [],
        receivedAt: 1_000_000 + ((n + i) % 97) * 1000,
        ...(i % 5 === 0 && { prefix: Buffer.from('X-Prefix: here\r\n') }),
      }))
      await mail.writes.append(access, items)
    }
    const expunge = async (from: number, to: number) => {
      await mail.writes.setFlags(access, [[from, to]], { mode: 'add', flags: ['\\Deleted'] })
      await mail.writes.expunge(access)
    }
    await expunge(3, 5)
    await expunge(998, 1003)
    await run({
      plain: createMailReads(readable),
      packed: createMailReads(readable, reader),
      inbox,
      uids: Uint32Array.from({ length: 2300 }, (_, i) => i + 1),
      async fill() {
        while ((await indexer.step()) !== 'done');
        assert.ok(writer.cursors.packed > 0)
      },
      expunge,
    })
  } finally {
    reader.close()
    await writer.close()
    await readable.close()
    await mail.close()
  }
}

onEachStore('columns are those of the rows, packed or not, and while messages go', async (bench) => {
  await withMailbox(bench, async ({ plain, packed, inbox, uids, fill, expunge }) => {
    const all = await look(plain, inbox, uids)
    assert.equal(all.size, 2300 - 9)
    const rows = await plain.facts(inbox, [[1, 1000]], ['receivedAt', 'sentAt', 'size', 'from', 'baseSubject'])
    for (const row of rows) {
      const values = all.get(row.uid)!
      const of = (name: ColumnName) => values[wanted.indexOf(name)]
      assert.deepEqual(
        [of('receivedAt'), of('size'), of('from'), of('baseSubject')],
        [row.receivedAt, row.size, row.from, toCollation(row.baseSubject!)],
      )
      assert.equal(of('sentAt'), row.sentAt ?? Number.NaN)
    }
    assert.deepEqual(await look(packed, inbox, uids), all, 'before anything is packed')
    await fill()
    assert.deepEqual(await look(packed, inbox, uids), all, 'two blocks are packed, the third is not whole')
    const some = uids.filter((uid) => uid % 3 === 0 || uid > 2100)
    assert.deepEqual(await look(packed, inbox, some), await look(plain, inbox, some))
    const few = Uint32Array.of(1, 4, 700, 701, 1500, 2299, 2300)
    assert.deepEqual(await look(packed, inbox, few), await look(plain, inbox, few))
    assert.deepEqual(await look(packed, inbox, new Uint32Array(0)), new Map())
    // What is packed of a message that is gone is told until it is packed anew: views know what is there.
    await expunge(1100, 1199)
    const left = uids.filter((uid) => uid < 1100 || uid > 1199)
    assert.deepEqual(await look(packed, inbox, left), await look(plain, inbox, left))
  })
})

onEachStore(
  'blocks of which most is gone are packed anew, and those of a mailbox that is gone are taken out',
  async (bench) => {
    await withMailbox(bench, async ({ plain, packed, inbox, uids, fill, expunge }) => {
      await fill()
      await expunge(1, 800)
      await expunge(1000, 1999)
      const writer = await openSearchWriter({ data: bench.options.data, store: 'this', log: silentLog })
      const readable = await openReadStore(bench.options)
      const readFacts = (
        mailbox: MailboxId,
        range: readonly [number, number],
        want: Parameters<MailReads['facts']>[2],
      ) => plain.facts(mailbox, [range], want)
      await createPacker({ store: readable, index: writer, readFacts }).sweep()
      const row = await plain.mailboxById(inbox)
      const of = { mailbox: inbox, validity: row!.uidValidity }
      const [first, ...others] = await writer.factSizes(of, 'uids', 0)
      assert.deepEqual(others, [], 'a block without messages has no rows')
      assert.ok(first!.size < 2 * 210)
      assert.equal(await writer.packed(of), 2)
      const left = uids.filter((uid) => uid > 800 && (uid < 1000 || uid > 1999))
      assert.deepEqual(await look(packed, inbox, left), await look(plain, inbox, left))
      assert.equal(await writer.unpack(of), true)
      assert.equal(await writer.packed(of), 0)
      assert.deepEqual(await look(packed, inbox, left), await look(plain, inbox, left))
      await writer.close()
      await readable.close()
    })
  },
)
