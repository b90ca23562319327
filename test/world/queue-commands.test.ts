// The commands of the queue and of suppression lists, on a running server and on a folder at rest.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Installation, startInstallation } from '../server.ts'
import { assertRefused } from './command-line.ts'
import { Imap, message, Smtp } from './talk.ts'

test('the queue: what waits and why, tried again, held, released, taken out', async (t) => {
  // Nobody listens at the discard port of loopback.
  const server = await Installation.make({
    users: { 'ada@example.test': 'correct horse' },
    config: { smtp: { trustedNetworks: ['127.0.0.0/8'] }, queue: { routes: { '*': '127.0.0.1:9' } } },
  })
  t.after(() => server.remove())
  await server.start()
  const smtp = await Smtp.open(server.ports.smtp)
  await smtp.deliver('ada@example.test', ['eve@away.test', 'zoe@away.test'], message('waiting'))
  await smtp.deliver('ada@example.test', ['kim@away.test'], message('second'))
  smtp.close()
  const list = async () => JSON.parse(await server.cliOk('queue', 'list', '--json'))
  for (
    let i = 0;
    i < 100 && (await list()).some((one: Queued) => one.recipients.some(({ attempts }) => attempts === 0));
    i++
  );
  const [first, second] = await list()
  assert.match(
    await server.cliOk('queue', 'list'),
    /ada@example\.test +eve@away\.test +waiting +in \d+ m +1 +unreachable +.*(refused|127\.0\.0\.1)/,
  )
  assert.match(
    await server.cliOk('queue', 'show', `${first.id}`),
    /^message \d+ from ada@example\.test[\s\S]*zoe@away\.test +waiting[\s\S]*Subject: waiting/,
  )
  assert.match(JSON.parse(await server.cliOk('queue', 'show', `${first.id}`, '--json')).header, /Subject: waiting/)
  const waiting = ['queue', 'list', '--sender', 'example.test', '--domain', 'away.test', '--state', 'waiting', '--json']
  assert.equal(JSON.parse(await server.cliOk(...waiting)).length, 2)
  assert.equal(await server.cliOk('queue', 'list', '--state', 'held'), 'nothing in the queue is so\n')
  assert.equal(await server.cliOk('queue', 'hold', `${first.id}`), '2 recipients held\n')
  assert.match(await server.cliOk('queue', 'list'), /eve@away\.test +held/)
  assert.equal(await server.cliOk('queue', 'retry'), '1 recipient will be tried now\n')
  for (let i = 0; i < 100 && (await list())[1].recipients[0].attempts < 2; i++);
  assert.deepEqual(
    (await list()).map((one: Queued) => one.recipients[0]!.attempts),
    [1, 2],
  )
  assert.equal(await server.cliOk('queue', 'release', `${first.id}`), '2 recipients released\n')
  assert.equal(await server.cliOk('queue', 'remove', `${second.id}`), '1 recipient removed\n')
  assertRefused(await server.cli('queue', 'show', `${second.id}`), /\d/)
  assertRefused(await server.cli('queue', 'show', 'x'), /expected a number, found x/, 2)
  // With --bounce the sender hears of it.
  assert.equal(await server.cliOk('queue', 'remove', `${first.id}`, '--bounce'), '2 recipients removed\n')
  const imap = await Imap.open(server.ports.imap, 'ada@example.test', 'correct horse')
  for (let i = 0; i < 100 && (await imap.count()) < 1; i++);
  assert.match(await imap.say('FETCH 1 BODY[]'), /multipart\/report[\s\S]*Final-Recipient: [^\r]*eve@away\.test/)
  imap.close()
  // The same commands on a folder at rest.
  await server.stop()
  assert.deepEqual(await list(), [])
})

interface Queued {
  readonly recipients: readonly { readonly attempts: number }[]
}

test('suppression lists: entries by hand hold at RCPT, and leave and come back as a file', async (t) => {
  const server = await startInstallation(t, {
    users: { 'ada@posthorn.test': 'correct horse' },
    config: { smtp: { trustedNetworks: ['127.0.0.0/8'] } },
  })
  const list = (...args: string[]) => server.cli('suppression', ...args)
  assert.equal((await list('list', 'posthorn.test')).stdout, 'nothing is on the suppression list of posthorn.test\n')
  assertRefused(await list('list', 'nowhere.test'), /there is no domain nowhere\.test/)
  assertRefused(await list('list', 'posthorn.test', '--class', 'nonsense'), /there is no class nonsense/, 2)
  assertRefused(await list('show', 'posthorn.test', 'zoe@away.test'), /zoe@away\.test is not on the suppression list/)
  const added = await list(
    'add',
    'posthorn.test',
    'Zoe@Away.test',
    'nonsense',
    '--reason',
    'said "stop", twice',
    '--days',
    '3',
  )
  assert.match(added.stdout, /^1 address on the list of posthorn\.test\nnot added: nonsense: /)
  assert.equal(added.code, 1)
  assert.match(
    (await list('show', 'posthorn.test', 'zoe@away.test')).stdout,
    /by hand: said "stop", twice\nfrom: {3}hand, by /,
  )
  const smtp = await Smtp.open(server.ports.smtp)
  const [, refused] = await smtp.deliver('ada@posthorn.test', ['zoe@away.test'], message('x'))
  assert.match(refused!, /^550 5\.7\.1 <zoe@away\.test> is on the suppression list of posthorn\.test since .*by hand/)
  // A stranger's mail is not the domain's.
  assert.match((await smtp.deliver('eve@elsewhere.test', ['zoe@away.test'], message('x')))[1]!, /^250/)
  const file = join(server.folder, 'list.csv')
  await server.cliOk('suppression', 'export', 'posthorn.test', file)
  assert.equal(
    (await list('remove', 'posthorn.test', 'zoe@away.test')).stdout,
    '1 address removed from the list of posthorn.test\n',
  )
  assert.match((await smtp.deliver('ada@posthorn.test', ['zoe@away.test'], message('x')))[1]!, /^250/)
  assert.equal((await list('import', 'posthorn.test', file)).stdout, '1 address on the list of posthorn.test\n')
  const { entries } = JSON.parse(await server.cliOk('suppression', 'list', 'posthorn.test', '--json'))
  assert.deepEqual(
    [entries[0].address, entries[0].reason, entries[0].source],
    ['zoe@away.test', 'said "stop", twice', 'hand'],
  )
  smtp.close()
})
