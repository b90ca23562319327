// What others may do with a mailbox, on both databases: random rights against every verb, and what becomes of grants.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type AccountId, isFault, type MailboxId } from '../base/index.ts'
import { accountRows, sql } from '../store/index.ts'
import { flagNames } from './flags.ts'
import { allRights, ownAccess } from './rights.ts'
import { sweepAccount } from './sweep.ts'
import { type Mail, message, testMail } from './testing/store.ts'
import type { Access, Right } from './types.ts'

const give = (mail: Mail, owner: AccountId, mailbox: MailboxId, account: AccountId, rights: string, negative = false) =>
  mail.writes.setAcl(ownAccess(owner, mailbox), { account, rights, negative, mode: 'replace' })

const fault = (code: Parameters<typeof isFault>[1]) => (error: unknown) => isFault(error, code)
const nameOf = (owner: number, name: string) => `Shared/user${owner}@example.test/${name}`

/** What the owner sees of his mailboxes: whatever another changes shows here. */
async function snapshot(mail: Mail, owner: AccountId): Promise<string> {
  const boxes = (await mail.reads.mailboxes(owner)).filter(({ role }) => role === undefined)
  const parts = await Promise.all(
    boxes.map(async ({ id, name, uidNext }) => {
      const found = await mail.reads.changesSince(id, 0)
      const flags = found!.blocks.flatMap(({ present, lo, hi, count }) =>
        Array.from({ length: count }, (_, i) =>
          present[i] ? flagNames({ lo: lo[i]!, hi: hi[i]! }, found!.keywords) : '-',
        ),
      )
      const notes = await mail.reads.annotationNames(ownAccess(owner, id))
      return { name, uidNext, flags, notes, acl: await mail.reads.acl(ownAccess(owner, id)) }
    }),
  )
  return JSON.stringify(parts)
}

interface Scene {
  readonly mail: Mail
  readonly actor: AccountId
  readonly name: string
  /** As if the actor had all rights: writes must not believe it. */
  readonly forged: Access
  readonly own: Access
  /** A message of the actor's own. */
  readonly uid: number
}

const content = (mail: Mail) => mail.content(message('from outside'))
const notes = (entry: string) => [{ entry, value: Buffer.from('x') }]

/** Every verb, and whether it may go through; `top` are the rights on the mailbox above. */
const verbs: { readonly [verb: string]: [(has: (rights: string) => boolean, top: boolean) => boolean, Verb] } = {
  append: [
    (has) => has('i'),
    async ({ mail, forged }) => mail.writes.append(forged, [{ content: await content(mail), flags: [] }]),
  ],
  seen: [(has) => has('rs'), ({ mail, forged }) => setFlag(mail, forged, '\\Seen')],
  deleted: [(has) => has('rt'), ({ mail, forged }) => setFlag(mail, forged, '\\Deleted')],
  flagged: [(has) => has('rw'), ({ mail, forged }) => setFlag(mail, forged, '\\Flagged')],
  keyword: [(has) => has('rw'), ({ mail, forged }) => setFlag(mail, forged, 'Work')],
  copyOut: [(has) => has('r'), ({ mail, forged, own }) => mail.writes.copy(forged, [[1, 2]], own)],
  copyIn: [(has) => has('i'), ({ mail, forged, own, uid }) => mail.writes.copy(own, [[uid, uid]], forged)],
  moveOut: [(has) => has('rte'), ({ mail, forged, own }) => mail.writes.move(forged, [[1, 1]], own)],
  moveIn: [(has) => has('i'), ({ mail, forged, own, uid }) => mail.writes.move(own, [[uid, uid]], forged)],
  replaceThere: [
    (has) => has('te'),
    async ({ mail, forged, own }) => mail.writes.replace(forged, 1, own, { content: await content(mail), flags: [] }),
  ],
  replaceHere: [
    (has) => has('i'),
    async ({ mail, forged, own, uid }) =>
      mail.writes.replace(own, uid, forged, { content: await content(mail), flags: [] }),
  ],
  expunge: [(has) => has('e'), ({ mail, forged }) => mail.writes.expunge(forged)],
  create: [(has) => has('k'), ({ mail, actor, name }) => mail.writes.createMailbox(actor, `${name}/New`)],
  rename: [
    (has, top) => has('x') && top,
    ({ mail, actor, name }) => mail.writes.renameMailbox(actor, name, name.replace('Box', 'Other')),
  ],
  renameAway: [() => false, ({ mail, actor, name }) => mail.writes.renameMailbox(actor, name, 'Mine')],
  remove: [(has) => has('x'), ({ mail, actor, name }) => mail.writes.deleteMailbox(actor, name)],
  setAcl: [
    (has) => has('a'),
    ({ mail, forged, actor }) =>
      mail.writes.setAcl(forged, { account: actor, negative: false, mode: 'add', rights: allRights }),
  ],
  acl: [(has) => has('a'), ({ mail, forged }) => mail.reads.acl(forged)],
  noteForAll: [(has) => has('lw'), ({ mail, forged }) => mail.writes.setMetadata(forged, notes('/shared/comment'))],
  noteForSelf: [
    (has) => has('l') && [...'rswip'].some(has),
    ({ mail, forged }) => mail.writes.setMetadata(forged, notes('/private/comment')),
  ],
  notes: [(has) => has('l') && [...'rswip'].some(has), ({ mail, forged }) => mail.reads.annotationNames(forged)],
  resolve: [(has) => has('r'), ({ mail, actor, name }) => mail.reads.resolve(actor, name, 'r')],
}
type Verb = (scene: Scene) => Promise<unknown>

function setFlag(mail: Mail, access: Access, flag: string) {
  return mail.writes.setFlags(access, [[1, 2]], { mode: 'add', flags: [flag] })
}

const letters = fc.subarray([...allRights] as Right[]).map((list) => list.join(''))

testMail('a random sharer comes through with no verb that he was not given', async (mail) => {
  const actor = await mail.addAccount()
  const inbox = ownAccess(actor, await mail.inbox(actor))
  const item = { content: await mail.content(message('own')), flags: ['\\Seen'] }
  const run = async (granted: string, denied: string, top: boolean, verb: string) => {
    const owner = await mail.addAccount()
    const box = await mail.writes.createMailbox(owner, 'Top/Box')
    const above = (await mail.reads.mailbox(owner, 'Top'))!
    await mail.writes.append(ownAccess(owner, box.id), [item, { ...item, flags: ['\\Deleted'] }])
    const uid = (await mail.writes.append(inbox, [item])).uids[0]!
    await give(mail, owner, box.id, actor, granted)
    await give(mail, owner, box.id, actor, denied, true)
    if (top) await give(mail, owner, above.id, actor, 'k')
    const has = (rights: string) => [...rights].every((right) => granted.includes(right) && !denied.includes(right))
    const before = await snapshot(mail, owner)
    // As if it were the actor's own.
    const lie = { actor, owner: actor, mailbox: box.id, prefix: '', rights: allRights }
    await assert.rejects(verbs[verb]![1]({ mail, actor, name: '', forged: lie, own: inbox, uid }), isFault)
    assert.equal(await snapshot(mail, owner), before)
    const name = nameOf(owner, box.name)
    const forged = { actor, owner, mailbox: box.id, prefix: '', rights: allRights }
    const [may, act] = verbs[verb]!
    const failed = await act({ mail, actor, name, forged, own: inbox, uid }).then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    assert.equal(failed === undefined, may(has, top), `${verb} with ${granted} without ${denied}: ${failed}`)
    if (failed) {
      assert.ok(isFault(failed, 'denied') || isFault(failed, 'not-found') || isFault(failed, 'invalid'), `${failed}`)
      assert.equal(await snapshot(mail, owner), before)
    }
    const shown = (await mail.reads.shared(actor)).some(({ mailbox }) => mailbox.id === box.id)
    if (verb !== 'remove' && verb !== 'setAcl') assert.equal(shown, has('l'))
  }
  await fc.assert(fc.asyncProperty(letters, letters, fc.boolean(), fc.constantFrom(...Object.keys(verbs)), run), {
    numRuns: mail.store.dialect === 'sqlite' ? 150 : 40,
    verbose: 1,
  })
  // Each verb with nothing at all, and with everything.
  for (const verb of Object.keys(verbs)) {
    await run('', '', false, verb)
    await run(allRights, '', true, verb)
    await run(allRights, allRights, false, verb)
  }
  assert.deepEqual(await mail.check(), [])
})

testMail('messages pass between accounts: each counts for the one who has it', async (mail) => {
  const owner = await mail.addAccount({ messages: 4 })
  const actor = await mail.addAccount()
  const box = ownAccess(owner, await mail.inbox(owner))
  const inbox = ownAccess(actor, await mail.inbox(actor))
  const reply = ['Message-ID: <2@a.test>', 'References: <1@a.test>']
  for (const text of [message('one', ['Message-ID: <1@a.test>']), message('one', reply)])
    await mail.writes.append(box, [{ content: await mail.content(text), flags: ['\\Seen', 'Work'], receivedAt: 1000 }])
  await give(mail, owner, box.mailbox, actor, 'lrte')
  const { access } = await mail.reads.resolve(actor, nameOf(owner, 'INBOX'), 'r')
  const copied = await mail.writes.copy(access, [[1, 2]], inbox)
  assert.deepEqual(
    [copied.source, copied.target],
    [
      [1, 2],
      [1, 2],
    ],
  )
  const moved = await mail.writes.move(access, [[2, 2]], inbox)
  assert.deepEqual([moved.source, moved.target], [[2], [3]])
  const rows = await mail.reads.rows(inbox.mailbox, [[1, 3]], {})
  assert.deepEqual(new Set(rows.map(({ thread }) => thread)).size, 1)
  assert.equal(rows[0]!.receivedAt, 1000)
  assert.equal((await mail.reads.quota(owner)).usedMessages, 1)
  assert.equal((await mail.reads.quota(actor)).usedMessages, 3)
  const flags = (await mail.reads.changesSince(inbox.mailbox, 0))!
  assert.deepEqual(flagNames({ lo: flags.blocks[0]!.lo[3]!, hi: 0 }, flags.keywords), ['\\Seen', 'Work'])
  // Into the owner's: his room counts, and only flags that one may set come along.
  await give(mail, owner, box.mailbox, actor, 'lris')
  const into = await mail.writes.copy(inbox, [[1, 1]], access)
  const there = (await mail.reads.changesSince(box.mailbox, 0))!
  assert.deepEqual(flagNames({ lo: there.blocks[0]!.lo[into.target[0]!]!, hi: 0 }, there.keywords), ['\\Seen'])
  await assert.rejects(mail.writes.copy(inbox, [[1, 3]], access), fault('over-quota'))
  await assert.rejects(mail.writes.move(inbox, [[1, 3]], access), fault('over-quota'))
  assert.equal((await mail.reads.quota(owner)).usedMessages, 2)
  assert.deepEqual(await mail.check(), [])
})

testMail('grants go along when a mailbox is renamed, are inherited below it, and end with it', async (mail) => {
  const [owner, actor] = [await mail.addAccount(), await mail.addAccount()]
  const { id } = await mail.writes.createMailbox(owner, 'Team')
  await give(mail, owner, id, actor, 'lrk')
  const below = await mail.writes.createMailbox(actor, nameOf(owner, 'Team/2026/May'))
  assert.equal(below.account, owner)
  await mail.writes.renameMailbox(owner, 'Team', 'Crew')
  const names = async () => (await mail.reads.shared(actor)).map(({ mailbox }) => mailbox.name).sort()
  const expected = ['Crew', 'Crew/2026', 'Crew/2026/May'].map((name) => nameOf(owner, name))
  assert.deepEqual(await names(), expected)
  await mail.writes.deleteMailbox(owner, 'Crew/2026/May')
  assert.deepEqual(await names(), expected.slice(0, 2))
  await mail.writes.createMailbox(owner, 'Crew2')
  await assert.rejects(mail.reads.resolve(actor, nameOf(owner, 'Crew2'), 'l'), fault('not-found'))
})

testMail('a disabled user shares nothing; a removed one leaves no grants', async (mail) => {
  const [owner, actor, other] = [await mail.addAccount(), await mail.addAccount(), await mail.addAccount()]
  const box = await mail.inbox(owner)
  for (const account of [actor, other]) await give(mail, owner, box, account, 'lrswi')
  const note = [{ entry: '/private/comment', value: Buffer.from('mine') }]
  const { access } = await mail.reads.resolve(actor, nameOf(owner, 'INBOX'), 'r')
  await mail.writes.setMetadata(access, note)
  await mail.store.write('server', (tx) => accountRows.setDisabled(tx, owner, true))
  await assert.rejects(mail.reads.resolve(actor, nameOf(owner, 'INBOX'), 'l'), fault('not-found'))
  assert.equal(await mail.reads.resolveById(actor, box), undefined)
  assert.deepEqual(await mail.reads.shared(actor), [])
  await assert.rejects(setFlag(mail, access, '\\Seen'), fault('not-found'))
  await mail.store.write('server', (tx) => accountRows.setDisabled(tx, owner, false))
  assert.equal((await mail.reads.shared(actor)).length, 1)

  await mail.store.write('server', (tx) => accountRows.markRemoved(tx, actor))
  await sweepAccount(mail.store, actor)
  assert.deepEqual(
    (await mail.reads.acl(ownAccess(owner, box))).map(({ rights }) => rights),
    [allRights, 'lrswi'],
  )
  await mail.store.write('server', (tx) => accountRows.markRemoved(tx, owner))
  await sweepAccount(mail.store, owner)
  const left = await mail.store.read(async (tx) => [
    await tx.all(sql`SELECT mailbox FROM mailbox_acl`),
    await tx.all(sql`SELECT mailbox FROM annotation`),
  ])
  assert.deepEqual(left, [[], []])
})

testMail('the owner loses nothing, and lists have an end', async (mail) => {
  const owner = await mail.addAccount()
  const box = await mail.inbox(owner)
  await assert.rejects(give(mail, owner, box, owner, 'lr'), fault('invalid'))
  await assert.rejects(give(mail, owner, box, owner, 'w', true), fault('invalid'))
  await assert.rejects(give(mail, owner, box, 9999 as AccountId, 'lr'), fault('not-found'))
  const notes = Array.from({ length: 101 }, (_, i) => ({ entry: `/private/n${i}`, value: Buffer.from('x') }))
  const set = (changes: typeof notes) => mail.writes.setMetadata(ownAccess(owner, box), changes)
  await assert.rejects(set(notes), fault('limit'))
  await set(notes.slice(0, 100))
  await assert.rejects(set([{ entry: '/shared/big', value: Buffer.alloc(16_385) }]), fault('too-large'))
})
