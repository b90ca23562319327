// What doors ask of mail, on both databases. After each test everything is counted again by check.

import assert from 'node:assert/strict'
import { type AccountId, isFault, type MailboxId } from '../base/index.ts'
import { sql } from '../store/index.ts'
import { flagNames } from './flags.ts'
import { ownAccess } from './rights.ts'
import { sweepAccount, sweepMailbox } from './sweep.ts'
import { type Mail, message, testMail } from './testing/store.ts'

async function fill(mail: Mail, account: AccountId, box: MailboxId, count: number, flags: readonly string[] = []) {
  const items = []
  for (let i = 0; i < count; i++) items.push({ content: await mail.content(message(`m${i}`)), flags })
  return mail.writes.append(ownAccess(account, box), items)
}

/** UID → flag names of the messages that are there. */
async function flagsOf(mail: Mail, box: MailboxId): Promise<Record<number, string[]>> {
  const { blocks, keywords } = (await mail.reads.changesSince(box, 0))!
  const out: Record<number, string[]> = {}
  for (const block of blocks)
    for (let slot = 0; slot < block.count; slot++)
      if (block.present[slot])
        out[block.block * 256 + slot] = flagNames({ lo: block.lo[slot]!, hi: block.hi[slot]! }, keywords)
  return out
}

const fault = (code: Parameters<typeof isFault>[1]) => (error: unknown) => isFault(error, code)

testMail('a new account has six mailboxes with roles, subscribed', async (mail) => {
  const account = await mail.addAccount()
  const boxes = await mail.reads.mailboxes(account)
  assert.deepEqual(
    boxes.map(({ name, role }) => [name, role]),
    [
      ['INBOX', 'inbox'],
      ['Drafts', 'drafts'],
      ['Sent', 'sent'],
      ['Junk', 'junk'],
      ['Trash', 'trash'],
      ['Archive', 'archive'],
    ],
  )
  assert.equal(new Set(boxes.map(({ uidValidity }) => uidValidity)).size, 6)
  assert.deepEqual((await mail.reads.subscriptions(account)).sort(), boxes.map(({ name }) => name).sort())
})

testMail('append gives UIDs, counts, and reads back the same bytes', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const text = message('Grüße', ['Message-ID: <a@example.test>'])
  const content = await mail.content(text)
  const prefix = Buffer.from('Return-Path: <x@example.test>\r\n')
  const done = await mail.writes.append(ownAccess(account, inbox), [
    { content, flags: ['\\Seen', '$Forwarded'], receivedAt: 5_000, prefix },
    { content, flags: ['\\DELETED', '$forwarded', 'Later'] },
  ])
  assert.deepEqual(done.uids, [1, 2])
  const box = (await mail.reads.mailboxById(inbox))!
  assert.equal(box.modseq, done.modseq)
  assert.deepEqual(
    { messages: box.messages, unseen: box.unseen, deleted: box.deleted, uidNext: box.uidNext },
    { messages: 2, unseen: 1, deleted: 1, uidNext: 3 },
  )
  assert.deepEqual(await flagsOf(mail, inbox), {
    1: ['\\Seen', '$Forwarded'],
    2: ['\\Deleted', '$Forwarded', 'Later'],
  })
  const want = { envelope: true, bodystructure: true, structure: true }
  const [first, second] = await mail.reads.rows(inbox, [[1, 0xffff_ffff]], want)
  assert.equal(first!.content, second!.content)
  assert.notEqual(first!.message, second!.message)
  assert.equal(first!.receivedAt, 5_000)
  assert.equal(first!.size, Buffer.byteLength(text) + prefix.length)
  assert.equal((await mail.reads.bytes(first!, 0, first!.size)).toString(), prefix + text)
  assert.equal((await mail.reads.bytes(first!, 27, 40)).toString(), (prefix + text).slice(27, 40))
  const streamed: Buffer[] = []
  for await (const chunk of mail.reads.stream(first!, 3, first!.size - 2)) streamed.push(chunk)
  assert.equal(
    Buffer.concat(streamed).toString(),
    Buffer.from(prefix + text)
      .subarray(3, -2)
      .toString(),
  )
  assert.match(first!.envelope!, /<a@example\.test>/)
  assert.match(first!.bodystructure!, /"text" "plain"/i)
  assert.equal(first!.structure!.type, 'text')
  const facts = await mail.reads.facts(inbox, [[2, 2]], ['from', 'size', 'sentAt'])
  assert.deepEqual(
    facts.map((row) => ({ ...row })),
    [{ uid: 2, from: 'ann@example.test', size: second!.size, sentAt: null }],
  )
  assert.deepEqual(
    await mail.reads.rows(inbox, [[2, 2]], {}),
    [{ ...second, envelope: undefined, bodystructure: undefined, structure: undefined }].map(
      ({ envelope: _e, bodystructure: _b, structure: _s, preview: _p, ...lean }) => lean,
    ),
  )
  const texts = (await Array.fromAsync(mail.reads.texts(inbox, [[1, 1]], { header: true, body: true }))).flat()
  assert.equal(texts.length, 1)
  assert.equal(texts[0]!.body, 'hello.\r\n\n')
  assert.ok(texts[0]!.header.startsWith('return-path: <x@example.test>\nfrom: ann@example.test\n'), texts[0]!.header)
  assert.deepEqual(await mail.check(), [])
})

testMail('fifty deliveries at once against room for ten give exactly ten', async (mail) => {
  const content = await mail.content(message('room'))
  for (const quota of [{ messages: 10 }, { bytes: content.size * 10 + 7 }]) {
    const account = await mail.addAccount(quota)
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, () =>
        mail.store.write(account, async (tx) => {
          const id = await mail.tx.putContent(tx, content)
          return mail.tx.deliver(tx, account, { role: 'inbox' }, id, { content, flags: [] })
        }),
      ),
    )
    const refused = results.flatMap((r) => (r.status === 'rejected' ? [r.reason] : []))
    assert.equal(refused.length, 40)
    assert.ok(refused.every((reason) => isFault(reason, 'over-quota')))
    const quotaNow = await mail.reads.quota(account)
    assert.deepEqual([quotaNow.usedMessages, quotaNow.usedBytes], [10, content.size * 10])
  }
  assert.deepEqual(await mail.check(), [])
})

testMail('delivery goes to the role, else to INBOX; stored content is delivered with its thread', async (mail) => {
  const account = await mail.addAccount()
  const content = await mail.content(
    message('one', ['Message-ID: <one@example.test>', 'References: <zero@example.test>']),
  )
  const junk = await mail.mailbox(account, 'Junk')
  const id = await mail.store.write(account, async (tx) => {
    const put = await mail.tx.putContent(tx, content)
    const done = await mail.tx.deliver(tx, account, { role: 'junk' }, put, { content, flags: [] })
    assert.deepEqual([done.mailbox, done.uid], [junk, 1])
    return put
  })
  await mail.writes.deleteMailbox(account, 'Trash')
  const stored = await mail.store.write(account, (tx) =>
    mail.tx.deliverStored(tx, account, { role: 'trash' }, id, { flags: [] }),
  )
  assert.equal(stored.mailbox, await mail.inbox(account))
  const [a] = await mail.reads.rows(junk, [[1, 1]], {})
  const [b] = await mail.reads.rows(stored.mailbox, [[1, 1]], {})
  assert.equal(a!.thread, b!.thread)
  assert.deepEqual(await mail.store.read((tx) => mail.tx.contentFacts(tx, id)), { size: content.size, has8bit: false })
  assert.deepEqual(await mail.check(), [])
})

testMail('flags: add, remove, replace; what does not change keeps its modseq', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await fill(mail, account, inbox, 5)
  const one = await mail.writes.setFlags(ownAccess(account, inbox), [[2, 3]], {
    mode: 'add',
    flags: ['\\Seen', 'Work'],
  })
  const same = await mail.writes.setFlags(ownAccess(account, inbox), [[2, 3]], { mode: 'add', flags: ['\\seen'] })
  assert.equal(same.modseq, one.modseq)
  await mail.writes.setFlags(ownAccess(account, inbox), [[3, 9]], { mode: 'replace', flags: ['\\Deleted', 'work'] })
  await mail.writes.setFlags(ownAccess(account, inbox), [[5, 5]], { mode: 'remove', flags: ['\\Deleted', 'unknown'] })
  assert.deepEqual(await flagsOf(mail, inbox), {
    1: [],
    2: ['\\Seen', 'Work'],
    3: ['\\Deleted', 'Work'],
    4: ['\\Deleted', 'Work'],
    5: ['Work'],
  })
  assert.deepEqual(await mail.reads.keywords(inbox), ['Work'])
  for (const bad of ['\\Recent', '\\Foo', 'a b', '', 'x'.repeat(101), 'ü'])
    await assert.rejects(
      mail.writes.setFlags(ownAccess(account, inbox), [[1, 1]], { mode: 'add', flags: [bad] }),
      fault('invalid'),
    )
  assert.deepEqual(await mail.check(), [])
})

testMail('UNCHANGEDSINCE leaves what is newer and names it', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const { modseq } = await fill(mail, account, inbox, 4)
  await mail.writes.setFlags(ownAccess(account, inbox), [[2, 3]], { mode: 'add', flags: ['\\Flagged'] })
  const done = await mail.writes.setFlags(ownAccess(account, inbox), [[1, 0xffff_ffff]], {
    mode: 'add',
    flags: ['\\Seen'],
    unchangedSince: modseq,
  })
  assert.deepEqual(done.modified, [[2, 3]])
  assert.deepEqual(await flagsOf(mail, inbox), { 1: ['\\Seen'], 2: ['\\Flagged'], 3: ['\\Flagged'], 4: ['\\Seen'] })
  const changed = await mail.reads.changesSince(inbox, done.modseq - 1)
  assert.equal(changed!.mailbox.modseq, done.modseq)
  assert.equal((await mail.reads.changesSince(inbox, done.modseq))!.blocks.length, 0)
})

testMail('a mailbox has 59 keywords and no more, all of them usable', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await fill(mail, account, inbox, 1)
  const names = Array.from({ length: 59 }, (_, i) => `k${i}`)
  await mail.writes.setFlags(ownAccess(account, inbox), [[1, 1]], { mode: 'add', flags: names })
  assert.deepEqual(await flagsOf(mail, inbox), { 1: names })
  const more = mail.writes.setFlags(ownAccess(account, inbox), [[1, 1]], { mode: 'add', flags: ['k59'] })
  await assert.rejects(more, fault('limit'))
  await mail.writes.setFlags(ownAccess(account, inbox), [[1, 1]], { mode: 'remove', flags: names.slice(1) })
  assert.deepEqual(await flagsOf(mail, inbox), { 1: ['k0'] })
})

testMail('replace puts one message in the place of another, and only the difference needs room', async (mail) => {
  const short = await mail.content(message('m0'))
  const long = await mail.content(message('m0 and much more'))
  const account = await mail.addAccount({ bytes: short.size + long.size })
  const inbox = ownAccess(account, await mail.inbox(account))
  const sent = ownAccess(account, await mail.mailbox(account, 'Sent'))
  await mail.writes.append(inbox, [
    { content: short, flags: [] },
    { content: short, flags: ['\\Deleted'] },
  ])
  const done = await mail.writes.replace(inbox, 1, inbox, { content: long, flags: ['\\Draft', 'Work'] })
  assert.deepEqual(await flagsOf(mail, inbox.mailbox), { 2: ['\\Deleted'], 3: ['\\Draft', 'Work'] })
  const box = (await mail.reads.mailboxById(inbox.mailbox))!
  assert.deepEqual(
    [done.uid, done.uidValidity, done.modseq, box.messages, box.size],
    [3, box.uidValidity, box.modseq, 2, short.size + long.size],
  )
  // Full: what grows is refused, with nothing changed; what shrinks goes through, also elsewhere.
  await assert.rejects(mail.writes.replace(inbox, 2, sent, { content: long, flags: [] }), fault('over-quota'))
  assert.deepEqual(Object.keys(await flagsOf(mail, inbox.mailbox)), ['2', '3'])
  const moved = await mail.writes.replace(inbox, 3, sent, { content: short, flags: ['\\Seen'] })
  assert.equal(moved.uid, 1)
  assert.deepEqual(await flagsOf(mail, sent.mailbox), { 1: ['\\Seen'] })
  assert.deepEqual((await mail.reads.quota(account)).usedBytes, 2 * short.size)
  await assert.rejects(mail.writes.replace(inbox, 3, sent, { content: short, flags: [] }), fault('conflict'))
  await assert.rejects(
    mail.writes.replace(inbox, 2, ownAccess(account, 9999 as MailboxId), { content: short, flags: [] }),
    fault('not-found'),
  )
  // Another account pays for what it gets.
  const other = await mail.addAccount({ bytes: 0 })
  const theirs = ownAccess(other, await mail.inbox(other))
  await assert.rejects(mail.writes.replace(inbox, 2, theirs, { content: short, flags: [] }), fault('over-quota'))
  assert.deepEqual(Object.keys(await flagsOf(mail, inbox.mailbox)), ['2'])
})

testMail('copy keeps flags under the other mailbox’s numbers and counts against the quota', async (mail) => {
  const size = (await mail.content(message('m0'))).size
  const account = await mail.addAccount({ bytes: size * 7 })
  const inbox = await mail.inbox(account)
  const sent = await mail.mailbox(account, 'Sent')
  await fill(mail, account, sent, 1, ['Other'])
  await fill(mail, account, inbox, 3, ['\\Answered', 'Work', 'Home'])
  const done = await mail.writes.copy(
    ownAccess(account, inbox),
    [
      [1, 1],
      [3, 7],
    ],
    ownAccess(account, sent),
  )
  assert.deepEqual(
    [done.source, done.target],
    [
      [1, 3],
      [2, 3],
    ],
  )
  assert.deepEqual(await mail.reads.keywords(sent), ['Other', 'Work', 'Home'])
  assert.deepEqual((await flagsOf(mail, sent))[3], ['\\Answered', 'Work', 'Home'])
  const [from] = await mail.reads.rows(inbox, [[3, 3]], {})
  const [to] = await mail.reads.rows(sent, [[3, 3]], {})
  assert.equal(from!.message, to!.message)
  assert.equal((await mail.reads.quota(account)).usedMessages, 6)
  await assert.rejects(
    mail.writes.copy(ownAccess(account, inbox), [[1, 2]], ownAccess(account, sent)),
    fault('over-quota'),
  )
  const within = await mail.writes.copy(ownAccess(account, inbox), [[2, 2]], ownAccess(account, inbox))
  assert.deepEqual([within.source, within.target], [[2], [4]])
  assert.deepEqual(await mail.writes.copy(ownAccess(account, inbox), [[90, 99]], ownAccess(account, sent)), {
    uidValidity: done.uidValidity,
    source: [],
    target: [],
  })
  await assert.rejects(
    mail.writes.copy(ownAccess(account, inbox), [[1, 1]], ownAccess(account, 9999 as MailboxId)),
    fault('not-found'),
  )
  assert.deepEqual(await mail.check(), [])
})

testMail('move takes entries over in one transaction, sparse ones too, and marks the places left', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const trash = await mail.mailbox(account, 'Trash')
  await fill(mail, account, inbox, 600, ['\\Seen'])
  const before = await mail.reads.rows(inbox, [[1, 600]], {})
  const odd = Array.from({ length: 300 }, (_, i) => [i * 2 + 1, i * 2 + 1] as const)
  const done = await mail.writes.move(ownAccess(account, inbox), odd, ownAccess(account, trash))
  assert.equal(done.source.length, 300)
  assert.deepEqual(
    done.target,
    Array.from({ length: 300 }, (_, i) => i + 1),
  )
  const after = await mail.reads.rows(trash, [[1, 300]], {})
  assert.deepEqual(
    after.map(({ message }) => message),
    before.filter(({ uid }) => uid % 2 === 1).map(({ message }) => message),
  )
  const box = (await mail.reads.mailboxById(inbox))!
  assert.deepEqual([box.messages, box.modseq], [300, done.modseq])
  const { blocks } = (await mail.reads.changesSince(inbox, done.modseq - 1))!
  assert.equal(blocks[0]!.present[1], 0)
  assert.equal(blocks[0]!.modseqs[1], done.modseq)
  const self = await mail.writes.move(ownAccess(account, inbox), [[2, 4]], ownAccess(account, inbox))
  assert.deepEqual(
    [self.source, self.target],
    [
      [2, 4],
      [601, 602],
    ],
  )
  assert.equal((await mail.reads.quota(account)).usedMessages, 600)
  assert.deepEqual(await mail.check(), [])
})

testMail('expunge removes what is marked; a message goes with its last entry', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const archive = await mail.mailbox(account, 'Archive')
  await fill(mail, account, inbox, 4)
  await mail.writes.copy(ownAccess(account, inbox), [[1, 1]], ownAccess(account, archive))
  await mail.writes.copy(ownAccess(account, inbox), [[2, 2]], ownAccess(account, inbox))
  await mail.writes.setFlags(
    ownAccess(account, inbox),
    [
      [1, 2],
      [4, 5],
    ],
    { mode: 'add', flags: ['\\Deleted'] },
  )
  const some = await mail.writes.expunge(ownAccess(account, inbox), [[2, 3]])
  assert.deepEqual(some.uids, [[2, 2]])
  const rest = await mail.writes.expunge(ownAccess(account, inbox))
  assert.deepEqual(rest.uids, [
    [1, 1],
    [4, 5],
  ])
  assert.deepEqual(Object.keys(await flagsOf(mail, inbox)), ['3'])
  const messages = await mail.store.read((tx) => tx.get<{ n: number }>(sql`SELECT count(*) AS n FROM message`))
  assert.equal(messages!.n, 2)
  assert.equal((await mail.reads.quota(account)).usedMessages, 2)
  const again = await mail.writes.expunge(ownAccess(account, inbox))
  assert.deepEqual(again, { uids: [], modseq: rest.modseq })
  assert.deepEqual(await mail.check(), [])
})

testMail('threads: by references under one subject, whatever the order of arrival', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const arrive = async (subject: string, id: string, refs: string[] = []) => {
    const lines = [
      `Message-ID: <${id}>`,
      ...(refs.length ? [`References: ${refs.map((r) => `<${r}>`).join(' ')}`] : []),
    ]
    const content = await mail.content(message(subject, lines))
    const { uids } = await mail.writes.append(ownAccess(account, inbox), [{ content, flags: [] }])
    return uids[0]!
  }
  const thread = async (uid: number) => (await mail.reads.rows(inbox, [[uid, uid]], {}))[0]!.thread as number
  const a = await arrive('Lunch', 'a@x')
  const b = await arrive('Re: Lunch', 'b@x', ['a@x'])
  const other = await arrive('Dinner', 'd@x', ['a@x'])
  assert.equal(await thread(a), await thread(b))
  assert.notEqual(await thread(a), await thread(other))
  // Two that know nothing of each other, until a third names both.
  const c = await arrive('Tea', 'c@x')
  const e = await arrive('Tea', 'e@x', ['lost@x'])
  assert.notEqual(await thread(c), await thread(e))
  const f = await arrive('Re: Tea', 'f@x', ['c@x', 'e@x'])
  assert.deepEqual([await thread(e), await thread(f)], [await thread(c), await thread(c)])
  // The younger thread's own keys still lead to the older one.
  assert.equal(await thread(await arrive('Re: Tea', 'g@x', ['lost@x'])), await thread(c))
  assert.equal(await thread(a), (await mail.reads.rows(inbox, [[a, a]], {}))[0]!.message as number)
  const many = Array.from({ length: 50 }, (_, i) => `r${i}@x`)
  const h = await arrive('Long', 'h@x', many)
  assert.equal(await thread(await arrive('Re: Long', 'i@x', ['r37@x'])), await thread(h))
})

testMail('mailboxes: names, superiors, rename with children, refusals', async (mail) => {
  const account = await mail.addAccount()
  const made = await mail.writes.createMailbox(account, 'Work/2026/Ja\u0308nner/')
  assert.equal(made.name, 'Work/2026/Jänner')
  await fill(mail, account, made.id, 2)
  await assert.rejects(mail.writes.createMailbox(account, 'Work'), fault('exists'))
  await assert.rejects(mail.writes.createMailbox(account, 'inbox'), fault('exists'))
  await assert.rejects(mail.writes.createMailbox(account, 'Drafts 2', 'drafts'), fault('conflict'))
  await assert.rejects(mail.writes.renameMailbox(account, 'Work', 'Work/Old'), fault('invalid'))
  await assert.rejects(mail.writes.renameMailbox(account, 'Work', 'Sent'), fault('exists'))
  await assert.rejects(mail.writes.renameMailbox(account, 'Nothing', 'New'), fault('not-found'))
  await mail.writes.renameMailbox(account, 'Work', 'Old/Jobs')
  const names = (await mail.reads.mailboxes(account)).map(({ name }) => name).slice(6)
  assert.deepEqual(names.sort(), ['Old', 'Old/Jobs', 'Old/Jobs/2026', 'Old/Jobs/2026/Jänner'])
  assert.equal((await mail.reads.mailbox(account, 'Old/Jobs/2026/Jänner'))!.id, made.id)
  await assert.rejects(mail.writes.deleteMailbox(account, 'Old/Jobs'), fault('in-use'))
  await assert.rejects(mail.writes.deleteMailbox(account, 'InBox'), fault('denied'))
  await mail.writes.subscribe(account, 'Not/There', true)
  await mail.writes.subscribe(account, 'Sent', false)
  const subscribed = await mail.reads.subscriptions(account)
  assert.ok(subscribed.includes('Not/There') && !subscribed.includes('Sent'))
  assert.deepEqual(await mail.check(), [])
})

testMail('renaming INBOX moves its messages and leaves it, with what is below', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await mail.writes.createMailbox(account, 'Inbox/lists')
  await fill(mail, account, inbox, 3, ['Work'])
  await mail.writes.renameMailbox(account, 'INBOX', 'Old mail')
  assert.equal((await mail.reads.mailboxById(inbox))!.messages, 0)
  const old = (await mail.reads.mailbox(account, 'Old mail'))!
  assert.equal(old.messages, 3)
  assert.deepEqual((await flagsOf(mail, old.id))[2], ['Work'])
  assert.ok(await mail.reads.mailbox(account, 'INBOX/lists'))
  assert.deepEqual(await mail.check(), [])
})

testMail('a deleted mailbox is gone at once, its room is given back, its rows are swept', async (mail) => {
  const account = await mail.addAccount()
  const { id } = await mail.writes.createMailbox(account, 'Big')
  const { uidValidity } = await fill(mail, account, id, 3, ['Work'])
  await mail.writes.deleteMailbox(account, 'Big')
  assert.equal(await mail.reads.mailboxById(id), undefined)
  assert.equal((await mail.reads.quota(account)).usedMessages, 0)
  await assert.rejects(
    mail.writes.copy(ownAccess(account, id), [[1, 3]], ownAccess(account, await mail.inbox(account))),
    fault('not-found'),
  )
  const again = await mail.writes.createMailbox(account, 'Big')
  assert.ok(again.uidValidity > uidValidity)
  const jobs = await mail.store.read((tx) => tx.all(sql`SELECT name FROM job LIMIT 9`))
  assert.deepEqual(
    jobs.map((job) => ({ ...(job as object) })),
    [{ name: 'sweep-mailbox' }],
  )
  await sweepMailbox(mail.store, id)
  await sweepMailbox(mail.store, id)
  const left = await mail.store.read((tx) =>
    tx.get<{ n: number }>(sql`
      SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM message) + (SELECT count(*) FROM flag_block)
        + (SELECT count(*) FROM mailbox_keyword) AS n`),
  )
  assert.equal(left!.n, 0)
  assert.deepEqual(await mail.check(), [])
})

testMail('sweeping an account leaves nothing of its mail', async (mail) => {
  const other = await mail.addAccount()
  const account = await mail.addAccount()
  await fill(mail, account, await mail.inbox(account), 3)
  await fill(mail, other, await mail.inbox(other), 1)
  await sweepAccount(mail.store, account)
  const left = await mail.store.read((tx) =>
    tx.get<{ n: number }>(sql`
      SELECT (SELECT count(*) FROM message WHERE account = ${account}) + (SELECT count(*) FROM mailbox WHERE account = ${account})
        + (SELECT count(*) FROM subscription WHERE account = ${account}) + (SELECT count(*) FROM change_log WHERE account = ${account})
        + (SELECT count(*) FROM thread_ref WHERE account = ${account}) AS n`),
  )
  assert.equal(left!.n, 0)
  assert.equal((await mail.reads.quota(other)).usedMessages, 1)
})

testMail('each message is recent for one session only', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await fill(mail, account, inbox, 2)
  assert.equal(await mail.writes.claimRecent(account, inbox), 1)
  assert.equal(await mail.writes.claimRecent(account, inbox), 3)
  await fill(mail, account, inbox, 1)
  assert.equal(await mail.writes.claimRecent(account, inbox), 3)
})

testMail('a mailbox older than the epoch never gives a UID or modseq twice', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const before = await fill(mail, account, inbox, 2)
  await mail.store.write(account, (tx) => tx.run(sql`UPDATE mailbox SET epoch = epoch - 1 WHERE id = ${inbox}`))
  const after = await fill(mail, account, inbox, 2)
  assert.ok(after.uids[0]! >= before.uids[1]! + 65_536)
  assert.equal(after.uids[1], after.uids[0]! + 1)
  assert.ok(after.modseq > before.modseq + 1_000_000 - 1)
  assert.deepEqual(await mail.check(), [])
})

testMail('check names what does not agree', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  await fill(mail, account, inbox, 2)
  await mail.store.write(account, async (tx) => {
    await tx.run(sql`UPDATE mailbox SET unseen = 7 WHERE id = ${inbox}`)
    await tx.run(sql`UPDATE account SET used_bytes = 1 WHERE id = ${account}`)
    await tx.run(sql`DELETE FROM entry WHERE mailbox = ${inbox} AND uid = 1`)
    await tx.run(sql`DELETE FROM content_data`)
  })
  const problems = (await mail.check()).join('\n')
  for (const part of [/"unseen":7/, /1 bytes noted/, /UID 1 has flags and no entry/, /has no entry/, /none stored/])
    assert.match(problems, part)
})

testMail('appends of one turn share a transaction, and each keeps its own outcome', async (mail) => {
  const account = await mail.addAccount({ messages: 5 })
  const inbox = await mail.inbox(account)
  const content = await mail.content(message('together'))
  const append = (count: number) =>
    mail.writes.append(
      ownAccess(account, inbox),
      Array.from({ length: count }, () => ({ content, flags: [] })),
    )
  const [one, two] = await Promise.all([append(1), append(2)])
  assert.deepEqual([one!.uids, two!.uids, one!.modseq], [[1], [2, 3], two!.modseq])
  const [fits, tooMany, last] = await Promise.allSettled([append(1), append(2), append(1)])
  assert.deepEqual(fits!.status === 'fulfilled' && fits!.value.uids, [4])
  assert.ok(tooMany!.status === 'rejected' && isFault(tooMany!.reason, 'over-quota'))
  assert.deepEqual(last!.status === 'fulfilled' && last!.value.uids, [5])
  assert.deepEqual(await mail.check(), [])
})

testMail('a COPY of thousands goes in pieces, and takes them back when there is no room for all', async (mail) => {
  const account = await mail.addAccount({ messages: 15_000 })
  const [inbox, trash] = [
    ownAccess(account, await mail.inbox(account)),
    ownAccess(account, await mail.mailbox(account, 'Trash')),
  ]
  const content = await mail.content(message('many'))
  await mail.writes.append(inbox, [{ content, flags: ['\\Seen'] }])
  for (let have = 1; have < 8192; have *= 2) await mail.writes.copy(inbox, [[1, have]], inbox)
  const everything = [[1, 0xffff_ffff]] as const
  await assert.rejects(mail.writes.copy(inbox, everything, trash), fault('over-quota'))
  assert.equal((await mail.reads.mailboxById(trash.mailbox))!.messages, 0)
  assert.deepEqual(await mail.check(), [])
  // Half of them have room, in two pieces; UIDs that were taken back are not given again.
  const copied = await mail.writes.copy(inbox, [[1, 5_000]], trash)
  assert.deepEqual([copied.source.length, copied.source[4_999], copied.target.length], [5_000, 5_000, 5_000])
  assert.ok(copied.target[0]! > 4_096, `${copied.target[0]}`)
  assert.equal((await flagsOf(mail, trash.mailbox))[copied.target[4_999]!]!.join(), '\\Seen')
  assert.deepEqual(await mail.check(), [])
})

testMail('a MOVE and an EXPUNGE of thousands go in pieces and leave nothing out', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const trash = await mail.mailbox(account, 'Trash')
  const content = await mail.content(message('many'))
  await mail.writes.append(ownAccess(account, inbox), [{ content, flags: [] }])
  for (let have = 1; have < 8192; have *= 2)
    await mail.writes.copy(ownAccess(account, inbox), [[1, have]], ownAccess(account, inbox))
  // Into itself, it ends too.
  const again = await mail.writes.move(ownAccess(account, inbox), [[1, 0xffff_ffff]], ownAccess(account, inbox))
  assert.deepEqual(
    [again.source.length, again.source[8191], again.target[0], again.target[8191]],
    [8192, 8192, 8193, 16384],
  )
  const moved = await mail.writes.move(ownAccess(account, inbox), [[1, 0xffff_ffff]], ownAccess(account, trash))
  assert.deepEqual([moved.source.length, moved.target[8191]], [8192, 8192])
  const all = { mode: 'add', flags: ['\\Deleted'] } as const
  await mail.writes.setFlags(
    ownAccess(account, trash),
    [
      [1, 100],
      [102, 8192],
    ],
    all,
  )
  const { uids, modseq } = await mail.writes.expunge(ownAccess(account, trash))
  assert.deepEqual(uids, [
    [1, 100],
    [102, 8192],
  ])
  const box = (await mail.reads.mailboxById(trash))!
  assert.deepEqual([box.messages, box.deleted, box.modseq], [1, 0, modseq])
  assert.equal((await mail.reads.mailboxById(inbox))!.messages, 0)
  assert.deepEqual(await mail.check(), [])
})
