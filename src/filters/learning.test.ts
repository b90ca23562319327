// What moving mail teaches: into Junk and out of it, once each, taken back, for its user alone; on both databases.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { type AccountId, type MailboxId, silentLog } from '../base/index.ts'
import { createMailWrites, ownAccess } from '../mail/index.ts'
import { type Mail, openMail } from '../mail/testing/open.ts'
import { classifierRows, jobRows, type Store } from '../store/index.ts'
import { createLazyClassifier, createSpamAdmin, type FilterRequest, learnHandlers, learningHooks } from './index.ts'

/** Runs the jobs `learn` that wait, as the runner would. */
async function runJobs(store: Store): Promise<number> {
  const handlers = learnHandlers({ store, outside: async () => undefined, log: silentLog })
  let ran = 0
  for (;;) {
    const [row] = await store.write([], (tx) => jobRows.claimJobs(tx, store.incarnation, ['learn'], 1))
    if (!row) return ran
    const job = {
      id: row.id,
      attempts: 1,
      done: async (tx: Parameters<typeof jobRows.deleteJob>[0]) =>
        void (await jobRows.deleteJob(tx, row.id, store.incarnation)),
      again: async () => {},
    }
    await handlers.learn(JSON.parse(row.payload), job)
    ran++
  }
}

const offer = (n: number, more = '') =>
  `From: Gadget Herald <letters@gadgetherald.test>\r\nTo: ann@example.test\r\nSubject: Gadget herald number ${n}\r\nMessage-ID: <${n}@gadgetherald.test>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nZorbing quokka lanterns, trebuchet kits and moonstone gaskets reviewed ${n}. ${more}\r\nhttps://gadgetherald.test/${n}\r\n`

const request = (text: string): FilterRequest => ({
  trace: 't',
  ip: '192.0.2.1',
  helo: 'x.test',
  from: 'letters@gadgetherald.test',
  to: ['ann@example.test'],
  header: Buffer.from(text.slice(0, text.indexOf('\r\n\r\n') + 4)),
  size: text.length,
  async *bytes() {
    yield Buffer.from(text)
  },
})

async function open(mail: Mail) {
  const { store } = mail
  const writes = createMailWrites({ store, log: silentLog, after: learningHooks })
  const account = await mail.addAccount()
  const box = async (name: string, of = account) => ownAccess(of, await mail.mailbox(of, name))
  const put = async (texts: readonly string[], name = 'INBOX', of = account) => {
    const items = await Promise.all(texts.map(async (text) => ({ content: await mail.content(text), flags: [] })))
    return (await writes.append(await box(name, of), items)).uids
  }
  const move = async (from: string, uids: readonly number[], to: string) =>
    (
      await writes.move(
        await box(from),
        uids.map((uid) => [uid, uid] as const),
        await box(to),
      )
    ).target
  const counts = async (of = account) => {
    const row = await store.read((tx) => classifierRows.find(tx, of))
    return row ? [row.spam / 16, row.ham / 16] : undefined
  }
  const classifier = createLazyClassifier({ store })
  const ask = async (text: string, of: AccountId = account) => classifier.checkFor(of, request(text))
  return { ...mail, writes, account, box, put, move, counts, ask }
}

const testLearning = (name: string, run: (world: Awaited<ReturnType<typeof open>>) => Promise<void>) =>
  onEachStore(name, async ({ store, options }) => {
    const mail = await openMail(store, options)
    try {
      await run(await open(mail))
    } finally {
      await mail.close()
    }
  })

testLearning(
  'several moves to Junk teach; another user knows nothing of it; moved back it is forgotten',
  async (world) => {
    const { store, put, move, counts, ask } = world
    const other = await world.addAccount()
    assert.equal((await ask(offer(9))).action, 'accept')
    const uids = await put([1, 2, 3, 4, 5].map((n) => offer(n)))
    const junked = await move('INBOX', uids, 'Junk')
    assert.equal(await counts(), undefined, 'nothing within the move itself')
    assert.equal(await runJobs(store), 1)
    assert.deepEqual(await counts(), [5, 0])
    const answer = await ask(offer(9))
    assert.equal(answer.action, 'junk', JSON.stringify(answer))
    assert.equal(answer.sure, false, 'never sure before it knows its user')
    assert.match(answer.reasons[0]!, /^looks like spam: \d/)
    assert.ok(!answer.reasons[0]!.includes('quokka lanterns'), 'no two words of a text together')
    assert.equal((await ask(offer(9), other)).action, 'accept')
    // Out of Junk again: untaught, and taught as good.
    await move('Junk', junked, 'INBOX')
    await runJobs(store)
    assert.deepEqual(await counts(), [0, 10])
    assert.equal((await ask(offer(10))).action, 'accept')
  },
)

testLearning(
  'the same message counts once, whatever is done with it',
  async ({ store, put, move, counts, writes, box }) => {
    const uids = await put([offer(1)])
    const marked = await box('INBOX')
    await writes.setFlags(marked, [[uids[0]!, uids[0]!]], { mode: 'add', flags: ['$Junk'] })
    let [there] = await move('INBOX', uids, 'Junk')
    await runJobs(store)
    assert.deepEqual(await counts(), [1, 0])
    // Another copy of the same bytes.
    const again = await put([offer(1)])
    await move('INBOX', again, 'Junk')
    await runJobs(store)
    assert.deepEqual(await counts(), [1, 0])
    ;[there] = await move('Junk', [there!], 'Archive')
    await runJobs(store)
    assert.deepEqual(await counts(), [0, 2])
    await writes.setFlags(await box('Archive'), [[there!, there!]], { mode: 'add', flags: ['$NotJunk'] })
    await runJobs(store)
    assert.deepEqual(await counts(), [0, 2])
  },
)

testLearning('what has nothing to do with Junk puts no job; what is thrown away teaches nothing', async (world) => {
  const { store, put, move, writes, box, counts } = world
  const waiting = async () =>
    (await store.read((tx) => jobRows.listJobs(tx, 100))).filter(({ name }) => name === 'learn').length
  const uids = await put([offer(1), offer(2), offer(3)])
  const [archived] = await move('INBOX', [uids[0]!], 'Archive')
  await move('Archive', [archived!], 'Trash')
  await writes.setFlags(await box('INBOX'), [[1, 9]], { mode: 'add', flags: ['\\Seen', 'Junk', 'NonJunk'] })
  await writes.setFlags(await box('INBOX'), [[1, 9]], { mode: 'remove', flags: ['$Junk'] })
  assert.equal(await waiting(), 0)
  // Filed in Junk by the server or by an import: nobody has said anything.
  const filed = await put([offer(4), offer(5)], 'Junk')
  assert.equal(await waiting(), 0)
  await move('Junk', [filed[0]!], 'Trash')
  await writes.setFlags(await box('Junk'), [[filed[1]!, filed[1]!]], { mode: 'add', flags: ['\\Deleted'] })
  await writes.expunge(await box('Junk'))
  assert.equal(await waiting(), 0)
  // Gone before the job came to it.
  const gone = await move('INBOX', [uids[1]!], 'Junk')
  await writes.setFlags(await box('Junk'), [[gone[0]!, gone[0]!]], { mode: 'add', flags: ['\\Deleted'] })
  await writes.expunge(await box('Junk'))
  assert.equal(await runJobs(store), 1)
  assert.equal(await counts(), undefined)
  // A program that knows no MOVE: COPY and then EXPUNGE.
  await writes.copy(await box('INBOX'), [[uids[2]!, uids[2]!]], await box('Junk'))
  await runJobs(store)
  assert.deepEqual(await counts(), [1, 0])
})

testLearning('a move that fails teaches nothing', async ({ store, put, writes, box, counts }) => {
  const uids = await put([offer(1)])
  const gone = { ...(await box('Junk')), mailbox: 999_999 as MailboxId }
  await assert.rejects(writes.move(await box('INBOX'), [[uids[0]!, uids[0]!]], gone))
  assert.equal(await runJobs(store), 0)
  assert.equal(await counts(), undefined)
})

testLearning('a large message is learnt from its file', async ({ store, put, move, counts, ask }) => {
  const long = (n: number) => offer(n, 'plain words '.repeat(20_000))
  await move('INBOX', await put([long(1), long(2), long(3), long(4)]), 'Junk')
  await runJobs(store)
  assert.deepEqual(await counts(), [4, 0])
  assert.equal((await ask(long(7))).action, 'junk')
})

testLearning('what a user has taught can be looked at and forgotten', async ({ store, put, move, account, ask }) => {
  const admin = createSpamAdmin({ store, hostname: 'mx.example.test' })
  assert.deepEqual(await admin.stats(account), { spam: 0, ham: 0, tokens: 0, known: false })
  await move('INBOX', await put([1, 2, 3, 4, 5].map((n) => offer(n))), 'Junk')
  await runJobs(store)
  const { spam, ham, tokens, known } = await admin.stats(account)
  assert.deepEqual([spam, ham, known], [5, 0, false])
  assert.ok(tokens > 20)
  const bytes = Buffer.from(offer(9))
  const found = await admin.test(bytes.toString('base64'), bytes.length, account)
  assert.equal(found.action, 'junk')
  assert.ok(found.tokens.some(({ token, weight }) => token === 'quokka' && weight > 0))
  assert.equal((await admin.test(bytes.toString('base64'), bytes.length)).action, 'accept')
  await admin.forget(account)
  assert.equal((await ask(offer(9))).action, 'accept')
  assert.deepEqual(await admin.stats(account), { spam: 0, ham: 0, tokens: 0, known: false })
})
