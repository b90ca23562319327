// The command line as a new user meets it: every command with and without --json, on a running server and on a folder at rest.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { has, Installation, run, startInstallation } from '../server.ts'
import { assertRefused, posthorn, withInput } from './command-line.ts'
import { Imap, message, Smtp } from './talk.ts'

/** Settings of a user, set and taken back. */
async function settings(server: Installation, email: string): Promise<void> {
  const set = (...pairs: string[]) => server.cli('user', 'set', email, ...pairs)
  const facts = ['name=Robert B.', 'quota=2G', 'quotaMessages=1000', 'admin=true', 'saveSent=true', 'keepCopy=false']
  const said = await set(...facts, 'forward=eve@elsewhere.test, zoe@elsewhere.test')
  assert.equal(
    said.stdout,
    `${email}: name=Robert B. quota=2147483648 quotaMessages=1000 forward=eve@elsewhere.test,zoe@elsewhere.test keepCopy=false saveSent=true admin=true\n`,
    said.stderr,
  )
  // What is wrong in one pair changes nothing of the others.
  assertRefused(await set('name=x', 'forward=nobody'), /^posthorn: "nobody" is not an e-mail address\n$/)
  assertRefused(await set('name=x', 'quota=lots'), /^posthorn: quota: lots is not room for mail: bytes, or .*none\n$/)
  assertRefused(await set('name'), /expected KEY=VALUE, found name/, 2)
  const users: { email: string }[] = JSON.parse(await server.cliOk('user', 'list', '--json'))
  const { name, quotaBytes, quotaMessages, admin, settings } = users.find((one) => one.email === email) as never
  const forward = ['eve@elsewhere.test', 'zoe@elsewhere.test']
  assert.deepEqual([name, quotaBytes, quotaMessages, admin], ['Robert B.', 2 ** 31, 1000, true])
  assert.deepEqual(settings, { saveSent: true, keepCopy: false, forward })
  const none = ['name=', 'quota=none', 'quotaMessages=none', 'admin=false', 'forward=none', 'keepCopy=true']
  const back = JSON.parse((await set(...none, '--json')).stdout)
  assert.deepEqual([back.name, back.quotaBytes, back.quotaMessages, back.admin], ['', undefined, undefined, false])
  assert.deepEqual(back.settings, { forward: [], keepCopy: true, saveSent: true })
}

/** The life of a domain and its people; the same whether a server answers or the store is opened. */
async function people(server: Installation): Promise<void> {
  const json = async (...args: string[]) => JSON.parse(await server.cliOk(...args, '--json'))
  assert.equal(await server.cliOk('domain', 'list'), 'no domain yet: posthorn domain add example.org\n')
  assert.equal(await server.cliOk('domain', 'add', 'Example.Test'), 'example.test added\n')
  assertRefused(await server.cli('domain', 'add', 'example.test'), /^posthorn: .*example\.test.*\n$/)
  assertRefused(await server.cli('domain', 'add', 'not a domain'), /^posthorn: .*\n$/)
  assert.equal((await json('domain', 'add', 'other.test', '--alias-of', 'example.test')).aliasOf, 'example.test')
  const before = await run(posthorn, ['--config', server.configFile, '--json', 'domain', 'list'], {})
  assert.deepEqual(JSON.parse(before.stdout), await json('domain', 'list'))
  assert.match(await server.cliOk('domain', 'set', 'example.test', 'detail=-', 'quotaBytes=2G'), /detail=- quotaBytes=/)
  assertRefused(
    await server.cli('domain', 'set', 'example.test', 'nonsense=1'),
    /there is no setting nonsense; there are/,
  )
  assertRefused(await server.cli('domain', 'set', 'example.test', 'detail'), /expected KEY=VALUE/, 2)
  assert.match(
    await server.cliOk('domain', 'set', 'example.test', 'detail=default', 'quotaBytes=default'),
    /no settings/,
  )
  assert.deepEqual((await json('domain', 'list')).length, 2)

  const added = await withInput(
    server,
    'first password\n',
    'user',
    'add',
    'Anna@example.test',
    '--name',
    'Anna',
    '--password-stdin',
  )
  assert.equal(added.stdout, 'anna@example.test added\n', added.stderr)
  assertRefused(await server.cli('user', 'add', 'anna@example.test', '--generate'), /anna@example\.test/)
  assertRefused(await server.cli('user', 'add', 'anna@nowhere.test', '--generate'), /nowhere\.test/)
  assertRefused(await server.cli('user', 'add', 'bob@example.test'), /give the password with --password-stdin/, 2)
  assert.match(
    (await json('user', 'add', 'bob@example.test', '--generate', '--quota', '10M')).password,
    /^(\w{4}-){3}\w{4}$/,
  )
  assert.match(
    await server.cliOk('user', 'passwd', 'bob@example.test', '--generate'),
    /password changed, password \w{4}-/,
  )
  assert.equal(
    await server.cliOk('user', 'rename', 'bob@example.test', 'robert@example.test'),
    'bob@example.test is now robert@example.test\n',
  )
  assert.equal(await server.cliOk('user', 'disable', 'robert@example.test'), 'robert@example.test disabled\n')
  assert.equal(
    (await json('user', 'list')).find((one: { email: string }) => one.email === 'robert@example.test').disabled,
    true,
  )
  assert.match(await server.cliOk('user', 'list'), /^email +name.*\nanna@example\.test +Anna +0 B/)
  assert.equal(await server.cliOk('user', 'enable', 'robert@example.test'), 'robert@example.test enabled\n')
  await settings(server, 'robert@example.test')

  assert.equal(
    await server.cliOk('alias', 'add', 'info@example.test', 'anna@example.test', 'eve@elsewhere.test'),
    'info@example.test → anna@example.test, eve@elsewhere.test\n',
  )
  assert.match(await server.cliOk('alias', 'list'), /info@example\.test +anna@example\.test, eve@elsewhere\.test/)
  assert.equal((await json('alias', 'list', 'example.test')).length, 1)
  assertRefused(await server.cli('alias', 'add', 'info@nowhere.test', 'anna@example.test'), /nowhere\.test/)

  await server.cliOk('alias', 'add', 'only@example.test', 'anna@example.test')
  // What goes is said first; without a terminal nobody is asked, and nothing happens.
  assertRefused(
    await server.cli('user', 'remove', 'anna@example.test'),
    /this takes away anna@example\.test: 0 messages \(0 B\) in 6 mailboxes; no longer lead anywhere: only@example\.test; say --yes/,
  )
  assertRefused(await server.cli('domain', 'remove', 'example.test'), /example\.test/)
  assert.match(await server.cliOk('user', 'remove', 'anna@example.test', '--yes'), /^removed anna@example\.test/)
  assertRefused(await server.cli('user', 'remove', 'anna@example.test', '--yes'), /anna@example\.test/)
  assert.equal(await server.cliOk('alias', 'remove', 'info@example.test'), 'info@example.test removed\n')
  await server.cliOk('alias', 'remove', 'only@example.test')
  assertRefused(
    await server.cli('alias', 'remove', 'info@example.test', '--json'),
    /^\{"error":".*","code":"not-found"\}\n$/,
  )
  await server.cliOk('user', 'remove', 'robert@example.test', '--yes')
  assert.equal(await server.cliOk('domain', 'remove', 'other.test'), 'other.test removed\n')
  // A running server sweeps the mail of the removed in the background.
  for (let i = 0; i < 20 && (await server.cli('domain', 'remove', 'example.test', '--json')).code !== 0; i++);
  assert.deepEqual(await json('domain', 'list'), [])
  assert.equal(await server.cliOk('queue', 'list'), 'the queue is empty\n')
}

test('domains, people and aliases on a running server', async (t) => {
  const server = await startInstallation(t)
  assert.equal(statSync(join(server.data, 'control.sock')).mode & 0o777, 0o600)
  assert.equal(statSync(server.data).mode & 0o777, 0o700)
  await people(server)
  assert.equal(await server.stop(), 0)
  assert.equal(existsSync(join(server.data, 'control.sock')), false)
})

test('the same commands on a folder at rest, under the lock', async (t) => {
  const server = await Installation.make({ users: { 'ada@example.test': 'correct horse' } })
  t.after(() => server.remove())
  assert.equal(existsSync(join(server.data, 'control.sock')), false)
  assert.match(await server.cliOk('user', 'list'), /^email .*\nada@example\.test /)
  assert.match(
    await server.cliOk('user', 'set', 'ada@example.test', 'quota=5M', 'forward=eve@away.test'),
    /quota=5242880/,
  )
  const both = await Promise.all([server.cli('user', 'list', '--json'), server.cli('domain', 'list', '--json')])
  // Who comes second is refused in one line, or came after the first had gone.
  for (const ran of both)
    if (ran.code !== 0) assertRefused(ran, /^posthorn: .* in use by process \d+\n$|"in-use"|"failed"/, 2)
  assert.ok(both.some(({ code }) => code === 0))
  await server.cliOk('user', 'remove', 'ada@example.test', '--yes')
  // No server need run for the mail to go.
  assert.equal(await server.cliOk('domain', 'remove', 'example.test'), 'example.test removed\n')
})

test('a user forwards, with a copy and without; a quota holds from the moment it is set', async (t) => {
  const [ada, ben] = ['ada@example.test', 'ben@example.test']
  const server = await startInstallation(t, { users: { [ada]: 'correct horse', [ben]: 'correct horse' } })
  const smtp = await Smtp.open(server.ports.smtp)
  const boxes = await Promise.all([ada, ben].map((email) => Imap.open(server.ports.imap, email, 'correct horse')))
  const counts = () => Promise.all(boxes.map((imap) => imap.count()))
  // Local copies are there when the reply comes.
  const send = async () => (await smtp.deliver('eve@elsewhere.test', [ada], message('to Ada'))).at(-1)!.slice(0, 9)
  const set = (...pairs: string[]) => server.cliOk('user', 'set', ada, ...pairs)
  assert.match(await send(), /^250/)
  assert.deepEqual(await counts(), [1, 0])
  await set(`forward=${ben}`)
  assert.match(await send(), /^250/)
  assert.deepEqual(await counts(), [2, 1])
  await set('keepCopy=false')
  assert.match(await send(), /^250/)
  assert.deepEqual(await counts(), [2, 2])
  await set('forward=none', 'quotaMessages=2')
  assert.match(await send(), /^[45]52 [45]\.2\.2/)
  await set('quotaMessages=none', 'quota=10')
  assert.match(await send(), /^[45]52 [45]\.2\.2/)
  await set('quota=1M')
  assert.match(await send(), /^250/)
  assert.deepEqual(await counts(), [3, 2])
  for (const { talk } of [smtp, ...boxes]) talk.close()
})

test('the first administrator: by options, by questions at a terminal', async (t) => {
  const server = await Installation.make()
  t.after(() => server.remove())
  const made = await withInput(
    server,
    'a long password\n',
    'create-admin',
    '--email',
    'root@example.test',
    '--name',
    'Root',
    '--password-stdin',
  )
  assert.equal(made.stdout, 'root@example.test added, an administrator\n', made.stderr)
  assert.equal(JSON.parse(await server.cliOk('user', 'list', '--json'))[0].admin, true)
  assertRefused(await withInput(server, '', 'create-admin'), /give --email, --name and --password-stdin/, 2)
  if (!(await has('script'))) return t.diagnostic('the terminal is left out: needs script (bsdutils)')
  const line = `${posthorn} create-admin --config ${server.configFile}`
  const answers = ['anna@example.test', 'Anna', 'another password']
  const asked = await run('sh', [
    '-c',
    `(${answers.map((text) => `sleep 1; printf '${text}\\r'`).join('; ')}; sleep 1) | script -qec '${line}' /dev/null`,
  ])
  assert.match(asked.stdout, /anna@example\.test added, an administrator/)
  assert.doesNotMatch(asked.stdout, /another password/)
})

test('completions load in their shells; version and help say what there is', async () => {
  assert.match((await run(posthorn, ['version'])).stdout, /^posthorn \d+\.\d+\.\d+, Node v26\./)
  assert.ok(JSON.parse((await run(posthorn, ['version', '--json'])).stdout).version)
  const help = await run(posthorn, ['--help'])
  for (const word of [
    'run',
    'dev',
    'create-admin',
    'config',
    'domain',
    'user',
    'alias',
    'queue',
    'version',
    'completion',
  ])
    assert.match(help.stdout, new RegExp(`^  ${word}\\b`, 'm'))
  for (const [noun, key] of [
    ['domain', 'detail'],
    ['user', 'forward'],
  ] as const)
    assert.match((await run(posthorn, [noun, 'set', '--help'])).stdout, new RegExp(`^  ${key} +\\w.*default`, 'm'))
  const unknown = await run(posthorn, ['usr'])
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /Did you mean user\?/)
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-completion-'))
  try {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const script = await run(posthorn, ['completion', shell])
      assert.equal(script.code, 0, script.stderr)
      assert.ok(script.stdout.length > 200)
      writeFileSync(join(folder, shell), script.stdout)
      if (!['bash', 'zsh', 'fish'].includes(shell) || !(await has(shell))) continue
      const checked = await run(shell, ['-n', join(folder, shell)])
      assert.deepEqual([checked.code, checked.stderr], [0, ''], shell)
    }
    // As bash does at a tab, with our posthorn on the path and without the package bash-completion.
    const press = (line: string) =>
      run(
        'bash',
        [
          '--norc',
          '-c',
          `. ${folder}/bash; COMP_WORDS=(${line}) COMP_CWORD=${line.split(' ').length - 1}; __posthorn_complete; echo "\${COMPREPLY[@]}"`,
        ],
        {
          env: { PATH: `${dirname(posthorn)}:${process.env['PATH']}` },
        },
      )
    assert.equal((await press('posthorn do')).stdout, 'domain\n')
    assert.equal((await press('posthorn queue re')).stdout, 'retry release remove requeue resume\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
