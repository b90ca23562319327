// posthorn ban, list and limits: on a server at rest and on one that runs, for people and as JSON.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Installation } from '../server.ts'
import { Smtp } from './talk.ts'

const users = { 'ann@here.test': 'correct horse' }

test('bans, lists and limits by command', async (t) => {
  const server = await Installation.make({ users, config: { smtp: { xclient: ['127.0.0.1'] } } })
  t.after(() => server.remove())
  const json = async (...args: string[]) => JSON.parse(await server.cliOk(...args, '--json'))

  await t.test('at rest: what is written is listed, what is wrong is named', async () => {
    assert.match(await server.cliOk('ban', 'list'), /nobody is banned/)
    assert.match(
      await server.cliOk('ban', 'add', '198.51.100.7/24', '--for', '2h', '--reason', 'guesses'),
      /198\.51\.100\.0\/24 is banned from everything, for 2 h/,
    )
    assert.match(await server.cliOk('ban', 'add', '203.0.113.1', '--sign-in'), /from signing in, until it is lifted/)
    assert.match(await server.cliOk('ban', 'list'), /198\.51\.100\.0\/24 +everything .*guesses/)
    const bad = await server.cli('ban', 'add', '10.0.0.0/7')
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /10\.0\.0\.0\/7 is no address or network/)
    assert.equal((await server.cli('ban', 'add', '192.0.2.1', '--for', 'ever')).code, 2)
    assert.equal((await server.cli('ban', 'remove', '192.0.2.99')).code, 1)
    assert.match(
      await server.cliOk('limits', 'list'),
      /user +500 +1 h +recipients that one user may write to in an hour/,
    )
  })

  await server.start()

  await t.test('running: a ban closes the door at once and its end opens it', async () => {
    const hello = async (ip: string) => {
      const client = await Smtp.open(server.ports.smtp)
      const reply = await client.say(`XCLIENT ADDR=${ip}`)
      client.close()
      return reply
    }
    assert.match(await hello('198.51.100.9'), /^554 5\.7\.1 Your address is banned/)
    await server.cliOk('ban', 'remove', '198.51.100.0/24')
    assert.match(await hello('198.51.100.9'), /^220/)
    const [left, ...more] = await json('ban', 'list')
    assert.deepEqual([left.network, left.scope, left.times, more.length], ['203.0.113.1', 'sign-in', 1, 0])
    assert.ok(left.by.length > 0)
  })

  await t.test('lists: written, shown, taken along as text, of the server, a domain and a user', async () => {
    await server.cliOk('list', 'block', 'spam.test', '192.0.2.9/24', '--reason', 'spam # and more')
    await server.cliOk('list', 'allow', 'Friend@spam.test', '--user', 'ann@here.test')
    await server.cliOk('list', 'block', '.news.test', '--domain', 'here.test')
    assert.match(await server.cliOk('list', 'show'), /spam\.test +kept out .*spam # and more/)
    const file = join(server.folder, 'list.txt')
    await server.cliOk('list', 'export', file)
    assert.equal(
      await readFile(file, 'utf8'),
      'block spam.test # spam # and more\nblock 192.0.2.0/24 # spam # and more\n',
    )
    assert.equal(await server.cliOk('list', 'export', '--user', 'ann@here.test'), 'allow friend@spam.test\n')
    await writeFile(file, '# old friends\nallow a.test\n\nblock no such\n')
    assert.match((await server.cli('list', 'import', file)).stderr, /line 4: expected "allow WHAT"/)
    await writeFile(file, 'allow a.test # printer\nblock not/a/network\n')
    const partly = await server.cli('list', 'import', file, '--domain', 'here.test')
    assert.equal(partly.code, 1)
    assert.match(partly.stdout, /1 entry on the list of here\.test\nnot added: not\/a\/network: /)
    assert.equal((await json('list', 'show', '--domain', 'here.test')).length, 2)
    assert.match(await server.cliOk('list', 'remove', '.news.test', '--domain', 'here.test'), /1 entry removed/)
    assert.equal((await server.cli('list', 'show', '--user', 'nobody@here.test')).code, 1)
    assert.equal((await server.cli('list', 'show', '--user', 'ann@here.test', '--domain', 'here.test')).code, 2)
  })

  await t.test('limits of a user and an address; settings of a domain and a user', async () => {
    await server.cliOk('domain', 'set', 'here.test', 'userPerHour=50', 'domainPerHour=unlimited', 'greylist=off')
    assert.equal((await json('limits', 'show', 'ann@here.test')).usage[0].count, 50)
    await server.cliOk('user', 'set', 'ann@here.test', 'perHour=unlimited')
    assert.match(await server.cliOk('limits', 'show', 'ann@here.test'), /user +0 +unlimited/)
    await server.cliOk('user', 'set', 'ann@here.test', 'perHour=none')
    assert.equal((await json('limits', 'show', 'ann@here.test')).usage[0].count, 50)
    assert.match(
      await server.cliOk('limits', 'show', '203.0.113.1'),
      /history: +0 good, 0 bad .*\n.*\nbanned: +until it is lifted/,
    )
    assert.equal((await server.cli('limits', 'show', 'nobody@here.test')).code, 1)
    for (const pair of ['userPerHour=-1', 'greylist=maybe', 'greylistDelay=0', 'strangerPerMinute=x'])
      assert.equal((await server.cli('domain', 'set', 'here.test', pair)).code, 1, pair)
  })
})
