// Certificates of the running server: by name at every door, changed while connections go on, imported for all, and what is wrong named.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import tls from 'node:tls'
import { createSelfSigned } from '../../src/tls/self-signed.ts'
import { eventually } from '../interop/programs.ts'
import { type Installation, startInstallation } from '../server.ts'
import { assertRefused } from './command-line.ts'
import { Talk } from './talk.ts'

type Upgrade = readonly (readonly [expect: RegExp, say: string])[]

/** How to come to TLS at each door, and what to say then to see that it lives. */
const doors: Readonly<Record<string, { readonly upgrade?: Upgrade; readonly say: string; readonly answer: RegExp }>> = {
  smtp: {
    upgrade: [
      [/220 /, 'EHLO me\r\n'],
      [/250 /, 'STARTTLS\r\n'],
      [/220 /, ''],
    ],
    say: 'EHLO me\r\n',
    answer: /250 /,
  },
  submission: {
    upgrade: [
      [/220 /, 'EHLO me\r\n'],
      [/250 /, 'STARTTLS\r\n'],
      [/220 /, ''],
    ],
    say: 'EHLO me\r\n',
    answer: /250 /,
  },
  submissions: { say: 'EHLO me\r\n', answer: /250 / },
  imap: {
    upgrade: [
      [/OK.*\r\n/, 'a STARTTLS\r\n'],
      [/a OK.*\r\n/, ''],
    ],
    say: 'b NOOP\r\n',
    answer: /b OK/,
  },
  imaps: { say: 'b NOOP\r\n', answer: /b OK/ },
  pop3: {
    upgrade: [
      [/\+OK.*\r\n/, 'STLS\r\n'],
      [/\+OK.*\r\n/, ''],
    ],
    say: 'CAPA\r\n',
    answer: /\+OK/,
  },
  pop3s: { say: 'CAPA\r\n', answer: /\+OK/ },
  https: { say: 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n', answer: /HTTP\/1\.1 200 / },
}

/** A live connection over TLS with a server name; its certificate's subject. */
async function open(server: Installation, door: string, servername: string) {
  const port = server.ports[door as 'imap']
  const plain: Socket = connect(port, '127.0.0.1')
  const talk = new Talk(plain)
  for (const [expected, say] of doors[door]!.upgrade ?? []) {
    await talk.until(expected)
    talk.send(say)
  }
  plain.removeAllListeners('data')
  const socket = tls.connect({ socket: plain, servername, rejectUnauthorized: false })
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return { talk: new Talk(socket), subject: socket.getPeerX509Certificate()!.subject.replace('CN=', '') }
}

async function write(folder: string, name: string, ...names: string[]) {
  const pair = createSelfSigned(names, Date.now())
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
  await writeFile(files.cert, pair.cert)
  await writeFile(files.key, pair.key)
  return files
}

test('each door shows the certificate of the name; new ones are taken while connections go on', async (t) => {
  const server = await startInstallation(t, { users: { 'ann@a.test': 'correct horse' } })
  const first = await write(server.folder, 'first', 'first.test')
  const other = await write(server.folder, 'other', 'other', '*.other.test')
  await server.reconfigure({ tls: first, certificates: [other] })
  process.kill(server.pid, 'SIGHUP')
  await eventually('reloaded', async () => server.output.includes('"msg":"reloaded"'))
  const live: Talk[] = []
  for (const door of Object.keys(doors)) {
    for (const [servername, subject] of [
      ['mail.other.test', 'other'],
      ['nobody.test', 'first.test'],
    ] as const) {
      const opened = await open(server, door, servername)
      assert.equal(opened.subject, subject, door)
      live.push(opened.talk)
    }
  }

  await write(server.folder, 'other', 'second', '*.other.test')
  process.kill(server.pid, 'SIGHUP')
  await eventually(
    'the new one is shown',
    async () => (await open(server, 'imaps', 'mail.other.test')).subject === 'second',
  )
  for (const door of Object.keys(doors)) {
    const opened = await open(server, door, 'mail.other.test')
    assert.equal(opened.subject, 'second', door)
    opened.talk.close()
  }
  const names = Object.keys(doors).flatMap((door) => [door, door])
  for (const [i, talk] of live.entries()) {
    const { say, answer } = doors[names[i]!]!
    talk.send(say)
    await talk.until(answer)
    assert.equal(talk.closed, false)
    talk.close()
  }

  // A broken file changes nothing, and is named.
  await writeFile(other.key, 'nonsense')
  process.kill(server.pid, 'SIGHUP')
  await eventually(
    'refused',
    async () =>
      /reload refused/.test(server.output) && server.output.includes('other.key do not serve: this is no private key'),
  )
  assert.equal((await open(server, 'imaps', 'mail.other.test')).subject, 'second')
})

test('posthorn cert: imported, listed, shown, served, removed; what is wrong is refused in words', async (t) => {
  const server = await startInstallation(t, { users: { 'ann@a.test': 'correct horse' } })
  const files = await write(server.folder, 'imp', 'imp.test', 'www.imp.test')
  assert.match(
    await server.cliOk('cert', 'list'),
    /^name +source +state +until +days left +renewal +also for\nmail\.example\.test +self-signed +valid /m,
  )
  const imported = JSON.parse(await server.cliOk('cert', 'import', files.cert, files.key, '--json'))
  assert.deepEqual([imported.name, imported.source, imported.state], ['imp.test', 'imported', 'valid'])
  await eventually('it is shown', async () => (await open(server, 'imaps', 'www.imp.test')).subject === 'imp.test')
  assert.match(await server.cliOk('cert', 'show', 'imp.test'), /^names +imp\.test www\.imp\.test$/m)
  assert.equal(
    (await server.cliOk('cert', 'show', 'imp.test', '--chain')).trim(),
    (await readFile(files.cert, 'utf8')).trim(),
  )
  const metrics = await (await fetch(`http://127.0.0.1:${server.ports.http}/metrics`)).text()
  assert.match(metrics, /^posthorn_certificate_days_left\{name="imp\.test",source="imported"\} 36\d\d$/m)

  const foreign = await write(server.folder, 'foreign', 'foreign.test')
  assertRefused(
    await server.cli('cert', 'import', files.cert, foreign.key),
    /the key does not belong to the certificate/,
  )
  assertRefused(await server.cli('cert', 'show', 'nobody.test'), /there is no certificate nobody\.test in the store/)
  assertRefused(await server.cli('cert', 'request'), /no authority is configured: set acme\.agree/)
  assertRefused(await server.cli('cert', 'import', '/nowhere', files.key), /cannot read \/nowhere/, 2)

  // It is sealed where it is kept, and there after a restart.
  const key = (await readFile(files.key, 'utf8')).split('\n')[1]!
  assert.equal((await readFile(join(server.data, 'posthorn.db'))).includes(key), false)
  await server.stop()
  await server.start()
  assert.equal((await open(server, 'imaps', 'imp.test')).subject, 'imp.test')
  await server.cliOk('cert', 'remove', 'imp.test')
  await eventually('it is gone', async () => (await open(server, 'imaps', 'imp.test')).subject === 'mail.example.test')
})

test('settings of an authority that cannot go together are named', async (t) => {
  const server = await startInstallation(t, {})
  const check = async (acme: object) => {
    await server.reconfigure({ acme: { agree: true, ...acme } })
    const ran = await server.cli('config', 'check')
    return ran.stderr
  }
  assert.match(await check({ challenge: 'dns-01' }), /acme: challenge dns-01 needs acme\.dns/)
  assert.match(await check({ staging: true, directory: 'https://ca.test/dir' }), /acme: staging is Let’s Encrypt’s/)
  assert.match(await check({ ca: '/nowhere.pem' }), /acme\.ca: cannot read \/nowhere\.pem/)
  assert.match(await check({ directory: 'http://ca.test/dir' }), /acme\.directory: expected an https URL/)
  const secret = await check({ dns: { provider: 'cloudflare', keySecret: 'hidden' } })
  assert.match(secret, /acme\.dns: expected provider rfc2136 with server/)
  assert.equal(secret.includes('hidden'), false)
  assert.equal(await check({ dns: { provider: 'cloudflare', token: 'x' }, challenge: 'dns-01' }), '')
})
