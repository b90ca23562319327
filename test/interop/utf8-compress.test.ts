// UTF8=ACCEPT and COMPRESS=DEFLATE by programs of other people: Python's imaplib, with its zlib under it, curl and openssl's s_client.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { run, startInstallation } from '../server.ts'
import { openImap } from './answers.ts'
import { needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

const script = String.raw`
import imaplib, sys, zlib
imap = int(sys.argv[1])

def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]

class Compressed(imaplib.IMAP4):
    """imaplib over raw deflate (RFC 4978) once compress() was called."""
    inflate = None
    def compress(self):
        imaplib.Commands.setdefault('COMPRESS', ('AUTH', 'SELECTED'))
        ok(self._simple_command('COMPRESS', 'DEFLATE'))
        self.deflate, self.inflate, self.rest = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15), b''
        self.wire = 0
    def fill(self):
        data = self.sock.recv(4096)
        assert data, 'the server hung up'
        self.wire += len(data)
        self.rest += self.inflate.decompress(data)
    def read(self, size):
        if not self.inflate: return super().read(size)
        while len(self.rest) < size: self.fill()
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken
    def readline(self):
        if not self.inflate: return super().readline()
        while b'\n' not in self.rest: self.fill()
        line, _, self.rest = self.rest.partition(b'\n')
        return line + b'\n'
    def send(self, data):
        if not self.inflate: return super().send(data)
        self.sock.sendall(self.deflate.compress(bytes(data)) + self.deflate.flush(zlib.Z_SYNC_FLUSH))

first = Compressed('127.0.0.1', imap)
ok(first.login('ada@posthorn.test', 'correct horse'))
assert 'COMPRESS=DEFLATE' in first.capabilities and 'UTF8=ACCEPT' in first.capabilities, first.capabilities
first.compress()
text = b'From: ada@posthorn.test\r\nSubject: large\r\n\r\n' + b'the same line again and again\r\n' * 20000
ok(first.append('INBOX', None, None, text))
ok(first.select())
before = first.wire
assert ok(first.fetch('1', '(BODY.PEEK[])'))[0][1] == text
assert first.wire - before < len(text) / 50, f'{first.wire - before} bytes for {len(text)}'
assert first._simple_command('COMPRESS', 'DEFLATE')[0] == 'NO'

second = Compressed('127.0.0.1', imap)
ok(second.login('ada@posthorn.test', 'correct horse'))
ok(second.enable('UTF8=ACCEPT'))
ok(second.create('"Gr\u00fc\u00dfe & K\u00fcsse"'))
assert any('"Gr\u00fc\u00dfe & K\u00fcsse"'.encode() in line for line in ok(second.list())), ok(second.list())
assert any(b'"Gr&APwA3w-e &- K&APw-sse"' in line for line in ok(first.list())), ok(first.list())
letter = 'From: J\u00f6rg <j\u00f6rg@ex\u00e4mple.test>\r\nSubject: gr\u00fc\u00dfe\r\n\r\nhej\r\n'.encode()
ok(second.append('"Gr\u00fc\u00dfe & K\u00fcsse"', None, None, letter))
ok(second.select('"Gr\u00fc\u00dfe & K\u00fcsse"'))
assert ok(second.fetch('1', '(BODY.PEEK[])'))[0][1] == letter
assert '"gr\u00fc\u00dfe" (("J\u00f6rg" NIL "j\u00f6rg" "ex\u00e4mple.test"))'.encode() in ok(second.fetch('1', '(ENVELOPE)'))[0]
ok(first.select('"Gr&APwA3w-e &- K&APw-sse"'))
envelope = ok(first.fetch('1', '(ENVELOPE)'))[0]
assert envelope.isascii() and b'=?utf-8?B?' in envelope, envelope
ok(first.append('"Gr&APwA3w-e &- K&APw-sse"', None, None, b'a: b\r\n\r\n'))
ok(second.noop())
assert second.response('EXISTS')[1][-1] == b'2', 'the other session was not told'
second.logout()
assert first.logout()[0] == 'BYE'
`

test("Python's imaplib in UTF-8 and through its zlib", { skip: await needs('python3') }, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ran = await run('python3', ['-c', script, `${ports.imap}`])
  assert.equal(ran.code, 0, ran.stderr)
})

test('compressed inside of TLS, through openssl', { skip: await needs('openssl') }, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const child = spawn('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${ports.imaps}`])
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  const ended = new Promise((done) => child.on('close', done))
  const text = () => Buffer.concat(said).toString('latin1')
  const until = async (wanted: string) => {
    while (!text().includes(wanted)) await new Promise((done) => child.stdout.once('data', done))
  }
  child.stdin.write('a LOGIN ada@posthorn.test "correct horse"\r\n')
  await until('a OK')
  child.stdin.write('b COMPRESS DEFLATE\r\n')
  await until('b OK')
  await until('\r\n')
  const plain = Buffer.concat(said).length
  child.stdin.write(deflateRawSync('c LIST "" *\r\nd LOGOUT\r\n', { finishFlush: constants.Z_SYNC_FLUSH }))
  await ended
  const answers = inflateRawSync(Buffer.concat(said).subarray(plain)).toString()
  assert.match(answers, /\* LIST .* INBOX\r\n/)
  assert.match(answers, /c OK .*\r\n\* BYE .*\r\nd OK /)
})

test('curl fetches a decoded part, a preview and ids', { skip: await needs('curl') }, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const url = `imap://127.0.0.1:${ports.imap}/INBOX`
  const login = ['--silent', '--show-error', '--user', 'ada@posthorn.test:correct horse']
  const talk = openImap(ports.imap)
  await talk.ok('LOGIN ada@posthorn.test "correct horse"')
  await talk.ok('APPEND INBOX ', Buffer.from('Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n'))
  talk.end()
  const got = await run('curl', [...login, url, '--request', 'FETCH 1 (BINARY.SIZE[1] PREVIEW EMAILID SAVEDATE)'])
  assert.match(got.stdout, /BINARY\.SIZE\[1\] 11 PREVIEW "hello world" EMAILID \(M\d+\) SAVEDATE "/)
})
