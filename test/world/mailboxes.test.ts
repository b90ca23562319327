// People's mail end to end: who an address reaches, exact quotas under a rush, and how fast sessions see each other's changes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { full, type Installation, startInstallation } from '../server.ts'
import { report } from './report.ts'
import { Imap, message, Smtp, sleep } from './talk.ts'

const password = 'correct horse'

/** Subjects in a mailbox, in order. */
async function subjects(server: Installation, email: string, mailbox = 'INBOX'): Promise<string[]> {
  const imap = await Imap.open(server.ports.imap, email, password, '')
  const selected = await imap.say(`EXAMINE "${mailbox}"`)
  const found = / 0 EXISTS/.test(selected) ? '' : await imap.say('FETCH 1:* BODY[HEADER.FIELDS (SUBJECT)]')
  imap.close()
  return [...found.matchAll(/^Subject: (.*)\r$/gm)].map(([, subject]) => subject!)
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await check()) return
    await sleep(100)
  }
  throw new Error(`never: ${what}`)
}

test('an address reaches whom it should: detail, aliases, catch-all, domain aliases, officers, IDN, UTF-8, any case', async (t) => {
  const users = {
    'ada@posthorn.test': password,
    'bob@posthorn.test': password,
    'rené@bücher.test': password,
    'boss@other.test': password,
  }
  const server = await startInstallation(t, { users: {} })
  for (const domain of ['posthorn.test', 'bücher.test', 'other.test']) await server.cliOk('domain', 'add', domain)
  await server.cliOk('domain', 'add', 'alias.test', '--alias-of', 'posthorn.test')
  const { writeFile } = await import('node:fs/promises')
  const { join } = await import('node:path')
  const list = join(server.folder, 'list.csv')
  await writeFile(
    list,
    Object.entries(users)
      .map((line) => `${line.join(',')}\n`)
      .join(''),
  )
  await server.cliOk('user', 'import', list)
  await server.cliOk('alias', 'add', 'all@posthorn.test', 'ada@posthorn.test', 'bob@posthorn.test')
  await server.cliOk('alias', 'add', 'twice@posthorn.test', 'all@posthorn.test', 'ada@posthorn.test')
  await server.cliOk('alias', 'add', '@other.test', 'ada@posthorn.test')
  await server.cliOk('alias', 'add', 'loop@posthorn.test', 'pool@posthorn.test')
  await server.cliOk('alias', 'add', 'pool@posthorn.test', 'loop@posthorn.test')
  assert.match(await server.cliOk('domain', 'list'), /xn--bcher-kva\.test|bücher\.test/)

  const smtp = await Smtp.open(server.ports.smtp)
  const send = async (to: string, expected: RegExp) => {
    const replies = await smtp.deliver('eve@elsewhere.test', [to], message(`to ${Buffer.from(to).toString('hex')}`))
    assert.match(replies.at(-1)!, expected, to)
  }
  const reaches: readonly (readonly [to: string, ...who: string[]])[] = [
    ['ada@posthorn.test', 'ada@posthorn.test'],
    ['ADA@PostHorn.TEST', 'ada@posthorn.test'],
    ['ada+lists@posthorn.test', 'ada@posthorn.test'],
    ['"ada"@posthorn.test', 'ada@posthorn.test'],
    ['all@posthorn.test', 'ada@posthorn.test', 'bob@posthorn.test'],
    ['twice@alias.test', 'ada@posthorn.test', 'bob@posthorn.test'],
    ['bob+x@alias.test', 'bob@posthorn.test'],
    ['anything@other.test', 'ada@posthorn.test'],
    ['boss@other.test', 'boss@other.test'],
    ['rené@bücher.test', 'rené@bücher.test'],
    ['RENÉ@xn--bcher-kva.test', 'rené@bücher.test'],
  ]
  for (const [to] of reaches) await send(to, /^250 2\.0\.0/)
  await send('nobody@posthorn.test', /^550 5\.1\.1/)
  await send('nobody@bücher.test', /^550 5\.1\.1/)
  await send('loop@posthorn.test', /^5\d\d 5\./)
  await send('eve@elsewhere.test', /^550 5\.7\.1/)
  for (const email of Object.keys(users)) {
    const expected = reaches
      .filter(([, ...who]) => who.includes(email))
      .map(([to]) => `to ${Buffer.from(to).toString('hex')}`)
    assert.deepEqual(await subjects(server, email), expected, email)
  }
  // Nobody administers yet: officers reach somebody all the same, for every domain.
  for (const domain of ['posthorn.test', 'alias.test', 'bücher.test'])
    for (const officer of ['postmaster', 'Abuse']) await send(`${officer}@${domain}`, /^250 2\.0\.0/)
  await send('Postmaster', /^250 2\.0\.0/)
  // A disabled user takes no mail.
  await server.cliOk('user', 'disable', 'bob@posthorn.test')
  await send('bob@posthorn.test', /^[45]\d\d /)
  smtp.close()
})

test('quota: room for ten, fifty at once, exactly ten arrive and the others are told', async (t) => {
  const server = await startInstallation(t, { users: { 'bob@posthorn.test': password } })
  const add = async (name: string, room: string) => {
    const { run } = await import('../server.ts')
    const added = await run('sh', [
      '-c',
      `echo '${password}' | bin/posthorn user add ${name}@posthorn.test --messages ${room} --password-stdin --config ${server.configFile}`,
    ])
    assert.equal(added.code, 0, added.stderr)
  }
  await add('lmtp', '10')
  await add('mx', '10')
  await add('tiny', '1')
  const rush = async (port: number, to: string, hello: string) => {
    const clients = await Promise.all(Array.from({ length: 50 }, () => Smtp.open(port, hello)))
    const answers = await Promise.all(
      clients.map(async (client, n) => {
        const replies = await client.deliver('eve@elsewhere.test', [to], message(`${n}`), hello === 'LHLO x')
        client.close()
        return replies.at(-1)!.slice(0, 9)
      }),
    )
    return Map.groupBy(answers, (code) => code)
  }
  const lmtp = await rush(server.ports.lmtp, 'lmtp@posthorn.test', 'LHLO x')
  assert.equal(lmtp.get('250 2.0.0')?.length, 10, JSON.stringify([...lmtp]))
  assert.equal([...lmtp].flatMap(([code, all]) => (/^[45]52 [45]\.2\.2/.test(code) ? all : [])).length, 40)
  assert.equal((await subjects(server, 'lmtp@posthorn.test')).length, 10)

  const mx = await rush(server.ports.smtp, 'mx@posthorn.test', 'EHLO x')
  assert.equal((await subjects(server, 'mx@posthorn.test')).length, 10)
  // Who was taken and found no room at commit waits in the queue with the reason; the rest was refused at RCPT.
  const queued = JSON.parse(await server.cliOk('queue', 'list', '--json'))
  t.diagnostic(
    `at the MX port: ${[...mx].map(([code, all]) => `${all.length} × ${code}`).join(', ')}; ${queued.length} wait`,
  )
  assert.equal(mx.get('250 2.0.0')!.length, 10 + queued.length)
  for (const one of queued) assert.match(one.recipients[0].reason, /room|quota|full/i)

  // Three recipients, one without room: the others get theirs.
  await (await Smtp.open(server.ports.smtp)).deliver('bob@posthorn.test', ['tiny@posthorn.test'], message('fills'))
  const client = await Smtp.open(server.ports.lmtp, 'LHLO x')
  const replies = await client.deliver(
    'eve@elsewhere.test',
    ['bob@posthorn.test', 'tiny@posthorn.test', 'bob+two@posthorn.test'],
    message('three'),
    true,
  )
  assert.match(replies[2]!, /^[45]52 [45]\.2\.2/)
  assert.match(replies.at(-1)!, /^250/)
  assert.ok((await subjects(server, 'bob@posthorn.test')).includes('three'))
  client.close()

  // Room again: what waited arrives.
  if (queued.length > 0) {
    const imap = await Imap.open(server.ports.imap, 'mx@posthorn.test', password)
    await imap.say('STORE 1:* +FLAGS.SILENT (\\Deleted)')
    await imap.say('EXPUNGE')
    await server.cliOk('queue', 'retry')
    await until(
      'the queued copies are in the mailbox',
      async () => (await imap.count()) === Math.min(10, queued.length),
    )
    imap.close()
  }
})

test('sessions on one mailbox see each other within 100 ms: new mail, flags, expunges', async (t) => {
  const server = await startInstallation(t, { users: { 'ada@posthorn.test': password } })
  const watcher = await Imap.open(server.ports.imap, 'ada@posthorn.test', password)
  const other = await Imap.open(server.ports.imap, 'ada@posthorn.test', password)
  const smtp = await Smtp.open(server.ports.smtp)
  await watcher.idle()
  const rounds = full ? 100 : 20
  const measure = async (what: string, act: (n: number) => Promise<unknown>, seen: (n: number) => RegExp) => {
    const times: number[] = []
    for (let n = 1; n <= rounds; n++) {
      const heard = watcher.talk.until(seen(n))
      await act(n)
      const acted = performance.now()
      await heard
      times.push(Math.max(0, performance.now() - acted))
    }
    report(t, what, times)
  }
  await measure(
    'a delivery',
    () => smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], message('x')),
    (n) => new RegExp(`^\\* ${n} EXISTS`, 'm'),
  )
  await other.say('NOOP')
  await measure(
    'a flag',
    (n) => other.say(`STORE ${n} +FLAGS.SILENT (\\Flagged)`),
    (n) => new RegExp(`^\\* ${n} FETCH \\(.*\\\\Flagged`, 'm'),
  )
  await measure(
    'a copy',
    (n) => other.say(`COPY ${n} INBOX`),
    (n) => new RegExp(`^\\* ${rounds + n} EXISTS`, 'm'),
  )
  await other.say('STORE 1:* +FLAGS.SILENT (\\Deleted)')
  await watcher.talk.until(new RegExp(`^\\* ${2 * rounds} FETCH .*Deleted`, 'm'))
  await measure(
    'an expunge',
    () => other.say('UID EXPUNGE 1:*').then(() => other.say('APPEND INBOX (\\Deleted) {9+}\r\nA: b\r\n\r\nx')),
    () => /^\* 1 EXPUNGE[\s\S]*EXISTS/m,
  )
  for (const one of [watcher, other, smtp]) one.close()
})
