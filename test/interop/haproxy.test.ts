// HAProxy in front of every mail port, with both versions of the PROXY protocol: clients are known by their own address, and a client
// on the same machine as everything else is still no client of this machine.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePorts, type Installation, startInstallation } from '../server.ts'
import { curl, eventually, needs, swaks } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const login = 'ada@posthorn.test:correct horse'
/** The proxy connects from here, and clients from there. */
const [proxy, client] = ['127.0.0.2', '127.0.0.3']
const doors = ['smtp', 'submission', 'submissions', 'lmtp', 'imap', 'imaps', 'pop3', 'pop3s'] as const

/** HAProxy with a port in front of each of the server's. */
async function proxied(t: TestContext, server: Installation, how: 'send-proxy' | 'send-proxy-v2') {
  const free = await freePorts(doors.length)
  const parts = doors.map(
    (name, i) =>
      `listen ${name}\n  bind 127.0.0.1:${free[i]}\n  server posthorn 127.0.0.1:${server.ports[name]} ${how} source ${proxy}\n`,
  )
  const file = join(server.folder, `${how}.cfg`)
  const defaults = 'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n'
  await writeFile(file, `${defaults}${parts.join('')}`)
  const child = spawn('/usr/sbin/haproxy', ['-db', '-q', '-f', file], { stdio: 'inherit' })
  t.after(async () => void child.kill('SIGKILL'))
  await eventually('HAProxy listens', () => opens(free[0]!))
  return Object.fromEntries(doors.map((name, i) => [name, free[i]!])) as Record<(typeof doors)[number], number>
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(Boolean(socket.destroy())))
    socket.on('error', () => resolve(false))
  })
}

for (const how of ['send-proxy', 'send-proxy-v2'] as const)
  test(`HAProxy with ${how}: IMAP, POP3, SMTP and LMTP, in the clear and over TLS`, {
    skip: await needs('haproxy', 'curl', 'swaks', 'TLS for swaks'),
  }, async (t) => {
    const server = await startInstallation(t, { users, config: { proxyProtocol: [`${proxy}/32`] } })
    const ports = await proxied(t, server, how)
    const from = ['--interface', client, '--user', login]
    const seen = () => server.output.split('\n').filter((line) => line.includes('"signed in"') && line.includes(client))

    for (const url of [`imap://127.0.0.1:${ports.imap}/`, `pop3://127.0.0.1:${ports.pop3}/`]) {
      assert.equal((await curl(...from, url)).code, 67, `${url}: a password was taken in the clear`)
      assert.equal((await curl(...from, '--ssl-reqd', url)).code, 0, url)
    }
    // The header stands before the handshake.
    for (const url of [`imaps://127.0.0.1:${ports.imaps}/`, `pop3s://127.0.0.1:${ports.pop3s}/`])
      assert.equal((await curl(...from, url)).code, 0, url)
    await eventually('four sign-ins from the client', async () => seen().length === 4)

    const mail = ['--from', 'ada@posthorn.test', '--to', 'ada@posthorn.test', '--local-interface', client]
    const auth = ['--auth', 'PLAIN', '--auth-user', 'ada@posthorn.test', '--auth-password', 'correct horse']
    for (const [name, args] of [
      ['smtp', []],
      ['lmtp', ['--protocol', 'LMTP']],
      ['submission', ['--tls', ...auth]],
      ['submissions', ['--tls-on-connect', ...auth]],
    ] as const) {
      const sent = await swaks('--port', `${ports[name]}`, ...mail, ...args)
      assert.equal(sent.code, 0, `${name}\n${sent.stdout}${sent.stderr}`)
    }
    const text = await curl('--user', login, `imap://127.0.0.1:${server.ports.imap}/INBOX;MAILINDEX=1`)
    assert.match(text.stdout, /^Received: from .*\[127\.0\.0\.3\]/m)

    // From an address that is no proxy's there is no header; from the proxy's there must be one.
    assert.equal((await curl('--user', login, `imap://127.0.0.1:${server.ports.imap}/`)).code, 0)
    assert.notEqual(
      (await curl('--interface', proxy, '--user', login, `imap://127.0.0.1:${server.ports.imap}/`)).code,
      0,
    )
    assert.match(server.output, /no header of the PROXY protocol/)
  })
