// Mail that leaves is signed with every key of its domain that is published, and somebody else's verifier agrees.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock, silentLog } from '../../src/base/index.ts'
import { zoneResolver } from '../../src/dns/index.ts'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { createVerifier, makeDkimKey, toDkimRecord } from '../../src/mailauth/index.ts'
import { has, Installation, run } from '../server.ts'
import { startSink } from '../world/sink.ts'
import { Smtp } from '../world/talk.ts'

const python = '/usr/bin/python3'
const skip =
  (await has(python)) && (await run(python, ['-c', 'import dkim, nacl'])).code === 0
    ? false
    : 'python3-dkim and python3-nacl are not installed'

/** Verifies each signature of the message on standard input with the records of argv[1]. */
const verifier = `
import dkim, json, sys
records = json.loads(sys.argv[1])
message = sys.stdin.buffer.read()
def txt(name, timeout=5):
    return records.get(name.decode().rstrip('.'), '').encode()
one = dkim.DKIM(message)
count = sum(1 for name, value in one.headers if name.lower() == b'dkim-signature')
def verify(i):
    try:
        return dkim.DKIM(message).verify(idx=i, dnsfunc=txt)
    except dkim.ValidationError:
        return False
print(json.dumps([verify(i) for i in range(count)]))
`

interface Key {
  readonly name: string
  readonly selector: string
  readonly record: string
  readonly state: string
}

test('signed by us, verified by python3-dkim', { skip }, async (t) => {
  const sink = await startSink(t)
  const server = await Installation.make({
    users: { 'ann@a.test': 'correct horse' },
    config: {
      hostname: 'mail.a.test',
      auth: { plaintext: 'always' },
      queue: { routes: { 'out.test': `127.0.0.1:${sink.port}` } },
    },
  })
  t.after(() => server.remove())
  const keys: Key[] = JSON.parse(await server.cliOk('dkim', 'add', 'a.test', '--json'))
  assert.deepEqual(
    keys.map(({ state }) => state),
    ['waiting', 'waiting'],
  )
  const line = ({ name, record }: Key) => `${name} TXT "${record.slice(0, 200)}" "${record.slice(200)}"`
  const zone = await serveZone(keys.map(line).join('\n'))
  t.after(() => zone.close())
  await server.reconfigure({ dns: { resolver: zone.address } })
  await server.start()
  const records = JSON.stringify(Object.fromEntries(keys.map(({ name, record }) => [name, record])))
  const send = async (subject: string, body: string) => {
    const before = sink.messages().length
    const client = await Smtp.open(server.ports.submission)
    const secret = Buffer.from('\0ann@a.test\0correct horse').toString('base64')
    assert.match(await client.say(`AUTH PLAIN ${secret}`), /^235 /)
    const message = `From: Ann <ann@a.test>\r\nTo: x@out.test\r\nSubject: ${subject}\r\n\r\n${body}`
    assert.match((await client.deliver('ann@a.test', ['x@out.test'], message)).at(-1)!, /^250 /)
    client.talk.close()
    for (let i = 0; i < 100 && sink.messages().length === before; i++) await new Promise((done) => setTimeout(done, 50))
    return sink.messages()[before]!
  }
  const verify = async (message: string): Promise<boolean[]> => {
    const { code, stdout, stderr } = await run(python, ['-c', verifier, records], { input: message })
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }

  assert.ok(
    !/^DKIM-Signature:/m.test(await send('before', 'x\r\n')),
    'a key whose record nobody has seen signs nothing',
  )
  assert.match(await server.cliOk('dkim', 'check', 'a.test'), /active now +published/)
  assert.deepEqual(await verify(await send('short', 'Good  day \r\n\r\n')), [true, true])
  const long = `${'word\tand  word '.repeat(5)}\r\n`.repeat(3_000)
  const large = await send('long, from a file', long)
  assert.deepEqual(await verify(large), [true, true])
  assert.deepEqual(await verify(large.replace('word\tand', 'word and not')), [false, false])
  assert.deepEqual(await verify(large.replace('Subject: ', 'Subject: changed\r\nSubject: ')), [false, false])

  await server.cliOk('dkim', 'retire', 'a.test', keys[0]!.selector)
  assert.deepEqual(await verify(await send('one key', 'x\r\n')), [true])
  const refused = await server.cli('dkim', 'remove', 'a.test', keys[1]!.selector)
  assert.match(refused.stderr, /retire it first/)
  await server.cliOk('dkim', 'remove', 'a.test', keys[0]!.selector)
  assert.equal((JSON.parse(await server.cliOk('dkim', 'list', '--json')) as Key[]).length, 1)
})

/** Signs the message on standard input with the key in argv[1], canonicalised as argv[2] says. */
const signer = `
import dkim, sys
message = sys.stdin.buffer.read()
head, body = (one.encode() for one in sys.argv[2].split('/'))
key = open(sys.argv[1], 'rb').read()
sys.stdout.buffer.write(dkim.sign(message, b'p', b'a.test', key, canonicalize=(head, body)) + message)
`

test('signed by python3-dkim, verified here; a SHA-1 signature of opendkim is not believed', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-dkim-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const key = await makeDkimKey('rsa2048')
  const file = join(folder, 'key.pem')
  await writeFile(file, key, { mode: 0o600 })
  const resolver = zoneResolver(`
    o._domainkey.a.test TXT "${toDkimRecord(key)}"
    p._domainkey.a.test TXT "${toDkimRecord(key)}"`)
  const verifier = createVerifier({ resolver, clock: realClock, log: silentLog, authservId: 'mx.test' })
  const verify = async (text: string) => {
    const bytes = Buffer.from(text)
    const split = bytes.indexOf('\r\n\r\n') + 4
    const client = { ip: '192.0.2.1', helo: 'a.test', sender: 'ann@a.test' }
    const { dkim } = await verifier.verify({ ...client, header: bytes.subarray(0, split), body: bytes.subarray(split) })
    return dkim.map(({ result, selector }) => `${selector} ${result}`)
  }
  const message =
    'From: Ann <ann@a.test>\r\nTo: x@out.test\r\nSubject: one\r\n  two \r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\nMessage-ID: <x@a.test>\r\n\r\nGood  day \r\n\r\n.\r\n\r\n'

  for (const form of ['relaxed/relaxed', 'simple/simple', 'relaxed/simple']) {
    const { stdout, stderr } = await run(python, ['-c', signer, file, form], { input: message })
    assert.deepEqual(await verify(stdout), ['p pass'], `${form} ${stderr}`)
    assert.deepEqual(await verify(stdout.replace('day', 'night')), ['p fail'], form)
  }
  if (!(await has('opendkim-testmsg'))) return t.diagnostic('opendkim-tools is not installed')
  const signed = await run('opendkim-testmsg', ['-d', 'a.test', '-s', 'o', '-k', file, '-C'], { input: message })
  assert.equal(signed.code, 0, signed.stderr)
  // Its test program signs with SHA-1, which is worth nothing any more (RFC 8301 §3.1).
  assert.match(signed.stdout, /a=rsa-sha1/)
  assert.deepEqual(await verify(signed.stdout), ['o policy'])
})
