// POP3 with programs of other people: curl, Python's poplib, fetchmail, getmail and mpop, each against a server of its own.

import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Installation, run, startInstallation } from '../server.ts'
import { curl, eventually, needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const login = 'ada@posthorn.test:correct horse'

/** Lines that begin with dots, one that is long, no line end behind the last. */
const letter = (n: number) =>
  `From: eve@elsewhere.test\r\nTo: ada@posthorn.test\r\nSubject: letter ${n}\r\nMessage-ID: <${n}@elsewhere.test>\r\n\r\n` +
  `.one dot\r\n..two\r\n.\r\n${'long '.repeat(150)}\r\nend ${n}`

/** A server with `count` letters in ada's INBOX, put there over IMAP, as octets that POP3 must give back. */
async function withLetters(t: TestContext, count: number): Promise<Installation> {
  const server = await startInstallation(t, { users })
  for (let n = 1; n <= count; n++) {
    const file = join(server.folder, 'letter')
    await writeFile(file, letter(n))
    const put = await curl('--user', login, '-T', file, `imap://127.0.0.1:${server.ports.imap}/INBOX`)
    assert.equal(put.code, 0, put.stderr)
  }
  // curl appends as seen.
  const unseen = await curl(
    '--user',
    login,
    `imap://127.0.0.1:${server.ports.imap}/INBOX`,
    '-X',
    'STORE 1:* -FLAGS (\\Seen)',
  )
  assert.equal(unseen.code, 0, unseen.stderr)
  return server
}

/** How many messages IMAP sees in INBOX, and how many of them were seen. */
async function inbox(server: Installation): Promise<{ messages: number; unseen: number }> {
  const command = 'STATUS INBOX (MESSAGES UNSEEN)'
  const { stdout } = await curl('--user', login, `imap://127.0.0.1:${server.ports.imap}/`, '-X', command)
  const found = /MESSAGES (\d+) UNSEEN (\d+)/.exec(stdout)
  return { messages: Number(found?.[1]), unseen: Number(found?.[2]) }
}

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'posthorn-pop3-'))
  t.after(() => rm(made, { recursive: true, force: true }))
  return made
}

test('curl lists, fetches byte for byte and removes, over POP3, STLS and POP3S', {
  skip: await needs('curl'),
}, async (t) => {
  const server = await withLetters(t, 3)
  const { pop3, pop3s } = server.ports
  const listed = await curl('--user', login, `pop3://127.0.0.1:${pop3}/`)
  assert.equal(listed.stdout.trim().split('\n').length, 3)
  assert.match(listed.stdout, new RegExp(`^1 ${letter(1).length}`))
  for (const args of [
    [`pop3://127.0.0.1:${pop3}/2`],
    ['--ssl-reqd', `pop3://127.0.0.1:${pop3}/2`],
    [`pop3s://127.0.0.1:${pop3s}/2`],
  ]) {
    const got = await curl('--user', login, ...args)
    assert.equal(got.stdout, `${letter(2)}\r\n`, args.join(' '))
  }
  for (const mechanism of ['PLAIN', 'LOGIN', '+APOP']) {
    const signed = await curl('--user', login, '--login-options', `AUTH=${mechanism}`, `pop3s://127.0.0.1:${pop3s}/`)
    if (mechanism !== '+APOP') assert.equal(signed.code, 0, `${mechanism}: ${signed.stderr}`)
    else assert.notEqual(signed.code, 0, 'APOP is not offered')
  }
  const wrong = await curl('--user', 'ada@posthorn.test:wrong', `pop3s://127.0.0.1:${pop3s}/`)
  assert.equal(wrong.code, 67, 'curl: login denied')
  assert.deepEqual(await inbox(server), { messages: 3, unseen: 3 })
  await curl('--user', login, '--head', '-X', 'DELE', `pop3://127.0.0.1:${pop3}/1`)
  assert.deepEqual(await inbox(server), { messages: 2, unseen: 2 })
})

const poplibScript = `
import poplib, ssl, sys
plain, secure = int(sys.argv[1]), int(sys.argv[2])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
first = poplib.POP3('127.0.0.1', plain)
assert 'STLS' in first.capa(), first.capa()
first.stls(context)
assert 'STLS' not in first.capa()
first.user('ada@posthorn.test')
first.pass_('correct horse')
count, size = first.stat()
assert count == 3
answer, listing, _ = first.list()
sizes = [int(line.split()[1]) for line in listing]
assert sum(sizes) == size, (sizes, size)
ids = [line.split()[1] for line in first.uidl()[1]]
assert len(set(ids)) == 3
for number in (1, 2, 3):
    answer, lines, octets = first.retr(number)
    assert answer.startswith(b'+OK %d ' % sizes[number - 1]), answer
    # The letter has no end of its last line: the one that POP3 adds is not counted.
    assert octets == sizes[number - 1] + 2, (octets, sizes)
    assert lines[-1] == b'end %d' % number, lines
    assert lines[5:8] == [b'.one dot', b'..two', b'.'], lines
answer, lines, octets = first.top(2, 1)
assert lines[2] == b'Subject: letter 2' and lines[-1] == b'.one dot', lines
try:
    other = poplib.POP3_SSL('127.0.0.1', secure, context=context)
    other.user('ada@posthorn.test')
    other.pass_('correct horse')
    assert False, 'two sessions have one maildrop'
except poplib.error_proto as error:
    assert b'[IN-USE]' in error.args[0], error
first.dele(1)
first.dele(3)
first.rset()
first.dele(2)
first.quit()
second = poplib.POP3_SSL('127.0.0.1', secure, context=context)
second.user('ada@posthorn.test')
second.pass_('correct horse')
assert [line.split()[1] for line in second.uidl()[1]] == [ids[0], ids[2]]
second.dele(1)
second.close()
third = poplib.POP3_SSL('127.0.0.1', secure, context=context)
for attempt in range(50):
    try:
        third.user('ada@posthorn.test')
        third.pass_('correct horse')
        break
    except poplib.error_proto:
        import time; time.sleep(0.1)
assert third.stat()[0] == 2, 'a session without QUIT removed something'
third.quit()
`

test("Python's poplib does all that it knows", { skip: await needs('python3', 'curl') }, async (t) => {
  const server = await withLetters(t, 3)
  const ran = await run('python3', ['-c', poplibScript, `${server.ports.pop3}`, `${server.ports.pop3s}`])
  assert.equal(ran.code, 0, ran.stderr)
  assert.deepEqual(await inbox(server), { messages: 2, unseen: 2 })
})

test('fetchmail fetches over TLS, keeps what it is told to keep, and knows it again', {
  skip: await needs('fetchmail', 'curl'),
}, async (t) => {
  const server = await withLetters(t, 4)
  const home = await folder(t)
  const mbox = join(home, 'mbox')
  const rc = join(home, 'fetchmailrc')
  await writeFile(join(home, 'take'), `#!/bin/sh\ncat >> ${mbox}\n`, { mode: 0o755 })
  const options = (keep: string) =>
    `poll localhost protocol pop3 port ${server.ports.pop3s} uidl\n  user "ada@posthorn.test" password "correct horse" ssl no sslcertck ${keep}\n  mda "${home}/take"\n`
  const fetch = async (keep: string) => {
    await writeFile(rc, options(keep), { mode: 0o600 })
    return run('fetchmail', ['-f', rc, '--nodetach', '--nosyslog', '-i', join(home, 'ids')], { env: { HOME: home } })
  }
  const first = await fetch('keep')
  assert.equal(first.code, 0, first.stdout + first.stderr)
  assert.equal((await readFile(mbox, 'utf8')).match(/^Subject: letter/gm)?.length, 4)
  assert.equal((await fetch('keep')).code, 1, 'fetchmail says 1 when there is nothing new')
  assert.deepEqual(await inbox(server), { messages: 4, unseen: 4 })
  const last = await fetch('nokeep fetchall')
  assert.equal(last.code, 0, last.stdout + last.stderr)
  assert.deepEqual(await inbox(server), { messages: 0, unseen: 0 })
})

test('getmail fetches what it has not seen and removes it', { skip: await needs('getmail', 'curl') }, async (t) => {
  const server = await withLetters(t, 3)
  const home = await folder(t)
  const mbox = join(home, 'mbox')
  await writeFile(join(home, 'take'), `#!/bin/sh\ncat >> ${mbox}\n`, { mode: 0o755 })
  const rc = `[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = ${server.ports.pop3s}
username = ada@posthorn.test\npassword = correct horse\n[destination]\ntype = MDA_external\npath = ${home}/take
allow_root_commands = true\n[options]\ndelete = true\nread_all = false\n`
  await writeFile(join(home, 'getmailrc'), rc)
  const ran = await run('getmail', ['--getmaildir', home, '--rcfile', 'getmailrc'], { env: { HOME: home } })
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  const texts = await readFile(mbox, 'utf8')
  assert.equal(texts.match(/^Subject: letter/gm)?.length, 3)
  assert.equal(texts.match(/\n\.one dot\n\.\.two\n\.\nlong /g)?.length, 3)
  assert.deepEqual(await inbox(server), { messages: 0, unseen: 0 })
})

test('mpop pipelines, with SCRAM under STLS', { skip: await needs('mpop', 'curl') }, async (t) => {
  const server = await withLetters(t, 30)
  const home = await folder(t)
  await chmod(home, 0o700)
  const mbox = join(home, 'mbox')
  const ran = await run(
    'mpop',
    [
      '--host=127.0.0.1',
      `--port=${server.ports.pop3}`,
      '--tls=on',
      '--tls-starttls=on',
      '--tls-certcheck=off',
      '--auth=scram-sha-256',
      '--user=ada@posthorn.test',
      '--passwordeval=echo correct horse',
      '--pipelining=on',
      '--keep=off',
      `--uidls-file=${join(home, 'uidls')}`,
      `--deliver=mbox,${mbox}`,
    ],
    { env: { HOME: home } },
  )
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  assert.equal((await readFile(mbox, 'utf8')).match(/^Subject: letter/gm)?.length, 30)
  await eventually('INBOX is empty', async () => (await inbox(server)).messages === 0)
})
