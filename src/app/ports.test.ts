// Every service that doors call in the core, called through a real MessageChannel: arguments and results survive the way
// between threads. A method that is not walked here fails the test.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { type AccountId, joinPort, type MailboxId, realClock, silentLog } from '../base/index.ts'
import { createMailReads, createSpool, type NewContent, ownAccess } from '../mail/index.ts'
import type { FailedMessage } from '../reports/index.ts'
import { composeCore } from './compose-core.ts'
import { checkConfig } from './config/index.ts'
import type { CoreServices } from './services.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-ports-'))

/** The services behind a channel, and which of their methods were called. */
function throughChannel(services: CoreServices) {
  const channel = new MessageChannel()
  const served = joinPort(channel.port1, { ...services })
  const called = joinPort(channel.port2, {})
  const walked = new Set<string>()
  const service = <S extends keyof CoreServices>(name: S) =>
    new Proxy(called.service<CoreServices[S]>(name), {
      get(target, method, receiver) {
        walked.add(`${name}.${String(method)}`)
        return Reflect.get(target, method, receiver)
      },
    })
  const close = () => {
    served.close()
    called.close()
  }
  return { service, walked, close }
}

async function content(text: string, blobs: Parameters<typeof createSpool>[0]['blobs']): Promise<NewContent> {
  const spool = createSpool({ blobs, maxSize: 1e6 })
  await spool.write(Buffer.from(text))
  return spool.finish()
}

test('arguments and results of every core service are structured-cloneable', async () => {
  const config = checkConfig({ hostname: 'mail.a.test', data: folder, disk: { minimumFree: 0 } }, {}, folder)
  const core = await composeCore(config, {
    clock: realClock,
    log: silentLog,
    version: '0',
    onFatal(error) {
      throw error
    },
  })
  const { service, walked, close } = throughChannel(core.services)
  try {
    const accounts = service('accounts')
    await accounts.addDomain('a.test')
    await accounts.addDomain('b.test', { aliasOf: 'a.test' })
    await accounts.setDomain('a.test', { quotaMessages: 1000 })
    const anna = await accounts.addAccount({ email: 'anna@a.test', password: 'secret' })
    assert.equal(anna.email, 'anna@a.test')
    const made = await accounts.addAccounts([
      { email: 'bob@a.test', password: 'x' },
      { email: 'anna@a.test', password: 'x' },
    ])
    assert.deepEqual(
      made.map(({ error }) => error === undefined),
      [true, false],
    )
    await accounts.setPassword('anna@a.test', 'other')
    await accounts.addScramKeys(anna.id, 'another hash', 'none')
    await accounts.setDisabled('bob@a.test', true)
    await accounts.updateAccount('anna@a.test', { name: 'Anna', settings: { keepCopy: true } })
    await accounts.addAlias('info@a.test', ['anna@a.test', 'x@elsewhere.test'])
    await accounts.removeAlias('info@a.test')
    await accounts.renameAccount('bob@a.test', 'bo@a.test')
    assert.equal((await accounts.describeRemoval('bo@a.test')).mailboxes, 6)
    const maildrops = service('maildrops')
    assert.deepEqual([await maildrops.enter(anna.id), await maildrops.enter(anna.id)], [true, false])
    await maildrops.leave(anna.id)
    await accounts.removeAccount('bo@a.test')
    await accounts.removeDomain('b.test')

    await walkMail(service('mail'), anna.id, core)
    await walkDelivery(service('delivery'), core)
    await service('trace').note([
      {
        id: 't2',
        origin: 'mx',
        from: null,
        to: [{ local: 'nobody', domain: 'a.test' }],
        events: [{ at: 1, kind: 'refused', stage: 'rcpt', to: 'nobody@a.test', reply: '550 5.1.1 no' }],
      },
    ])
    await walkAbuse(service('abuse'), anna.id)
    await service('reports').note([
      { kind: 'dmarc', day: 1, domain: 'b.test', policy: 'v=DMARC1; rua=mailto:r@b.test', count: 2, data: '{}' },
    ])
    await service('reports').fail([failedMessage])
    assert.equal((await service('core').health()).parts.store, 'ok')
    assert.match(await service('core').metrics(), /posthorn_info/)

    const all = Object.entries(core.services).flatMap(([name, one]) =>
      Object.keys(one).map((method) => `${name}.${method}`),
    )
    assert.deepEqual(
      all.filter((method) => !walked.has(method)),
      [],
      'methods that this test does not call',
    )
  } finally {
    close()
    await core.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function walkAbuse(abuse: CoreServices['abuse'], account: AccountId): Promise<void> {
  assert.deepEqual(await abuse.enter('192.0.2.9'), { ok: true, factor: 1 })
  await abuse.remember('192.0.2.9', { good: 1, bad: 0 })
  await abuse.leave('192.0.2.9')
  assert.deepEqual(await abuse.take([{ kind: 'user', subject: '1', amount: 500 }]), { ok: true })
  assert.equal((await abuse.take([{ kind: 'user', subject: '1' }])).ok, false)
  assert.deepEqual(await abuse.signInFailed('192.0.2.9', 'anna'), {})
  await abuse.signedIn('192.0.2.9', 'anna', account)
  await abuse.wrote(account, ['x@b.test'])
  const question = { ip: '192.0.2.9', from: 'x@b.test', to: ['anna@a.test'] }
  assert.equal((await abuse.greylist(question)).pass, true)
  assert.deepEqual(await abuse.greylist({ ...question, from: 'y@b.test' }), { pass: false, waitMs: 60_000 })
}

const failedMessage: FailedMessage = {
  at: 1,
  ip: '192.0.2.1',
  mailFrom: 'x@b.test',
  header: Buffer.from('From: x@b.test\r\n\r\n'),
  subject: false,
  verification: {
    spf: { result: 'fail', domain: 'b.test', scope: 'mfrom' },
    dkim: [],
    arc: { result: 'none', instance: 0, coversFrom: false },
    iprev: { result: 'fail' },
    header: '',
    dmarc: {
      result: 'fail',
      from: 'b.test',
      publishedAt: 'b.test',
      record: 'v=DMARC1; p=none; ruf=mailto:f@b.test',
      spfAligned: false,
      dkimAligned: false,
    },
  },
  done: 'none',
}

type Core = Awaited<ReturnType<typeof composeCore>>

async function walkMail(mail: CoreServices['mail'], account: AccountId, { store }: Core): Promise<void> {
  const reads = createMailReads(store)
  const box = async (name: string): Promise<MailboxId> => (await reads.mailbox(account, name))!.id
  const inbox = await box('INBOX')
  const trash = await box('Trash')
  const item = { content: await content('Subject: one\r\n\r\ntext\r\n', store.blobs), flags: ['\\Seen', 'mine'] }
  assert.deepEqual((await mail.append(ownAccess(account, inbox), [item, item])).uids, [1, 2])
  const flagged = await mail.setFlags(ownAccess(account, inbox), [[1, 1]], { mode: 'add', flags: ['\\Deleted'] })
  assert.deepEqual(flagged.modified, [])
  assert.deepEqual((await mail.copy(ownAccess(account, inbox), [[1, 2]], ownAccess(account, trash))).target, [1, 2])
  assert.deepEqual((await mail.expunge(ownAccess(account, inbox))).uids, [[1, 1]])
  assert.deepEqual((await mail.move(ownAccess(account, inbox), [[2, 2]], ownAccess(account, trash))).source, [2])
  assert.equal((await mail.replace(ownAccess(account, trash), 1, ownAccess(account, inbox), item)).uid, 3)
  await mail.pack(account, trash)
  assert.equal(await mail.claimRecent(account, trash), 1)
  assert.equal((await mail.createMailbox(account, 'Work/2026')).name, 'Work/2026')
  await mail.renameMailbox(account, 'Work/2026', 'Work/Old')
  await mail.subscribe(account, 'Work/Old', true)
  await assert.rejects(mail.setQuota(account, account, { quotaMessages: 5 }))
  const note = { entry: '/private/comment', value: Buffer.from('old') }
  await mail.setMetadata(ownAccess(account, await box('Work/Old')), [note])
  const given = { account, negative: false, mode: 'add', rights: 'lr' } as const
  await mail.setAcl(ownAccess(account, await box('Work/Old')), given)
  await mail.deleteMailbox(account, 'Work/Old')
}

async function walkDelivery(delivery: CoreServices['delivery'], { store }: Core): Promise<void> {
  const answer = await delivery.receive(
    { kind: 'mx', clientIp: '192.0.2.1', helo: 'x.test', with: 'ESMTP', traceId: 't1', receivedAt: Date.now() },
    { from: null, to: [{ address: { local: 'anna', domain: 'a.test' } }], utf8: false, body: '7bit' },
    await content('From: <x@b.test>\r\nSubject: two\r\n\r\ntext\r\n', store.blobs),
  )
  assert.deepEqual(answer.verdicts, [{ ok: true }])
}
