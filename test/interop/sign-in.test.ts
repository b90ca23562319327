// Signing in with programs that others wrote: GNU SASL's client with every mechanism of SCRAM, and Python's TLS for bindings of TLS 1.2.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { run, startInstallation } from '../server.ts'
import { needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

test('GNU SASL signs in by each SCRAM, bound to TLS or not, over IMAP and SMTP', {
  skip: await needs('gsasl'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const gsasl = (args: readonly string[], password = 'correct horse') =>
    run('gsasl', ['--client', ...args, '-a', 'ada@posthorn.test', '-p', password])
  const trust = `--x509-ca-file=${join(server.data, 'tls/cert.pem')}`
  for (const [door, port] of [
    ['--imap', server.ports.imap],
    ['--smtp', server.ports.submission],
  ] as const)
    for (const hash of ['SHA-1', 'SHA-256']) {
      const at = [door, '--connect', `127.0.0.1:${port}`]
      const bound = [...at, '--starttls', trust, '-m', `SCRAM-${hash}-PLUS`]
      const signed = await gsasl(bound)
      assert.equal(signed.code, 0, signed.stdout + signed.stderr)
      assert.match(signed.stderr, /server trusted/)
      assert.notEqual((await gsasl(bound, 'wrong horse')).code, 0)
      for (const tls of [['--no-starttls'], ['--starttls', '--no-cb', trust]]) {
        const plain = await gsasl([...at, ...tls, '-m', `SCRAM-${hash}`])
        assert.equal(plain.code, 0, plain.stdout + plain.stderr)
      }
    }
  assert.ok((server.output.match(/"signed in"/g) ?? []).length >= 12, 'the log says who signed in')
})

/** SCRAM-SHA-256-PLUS over IMAP with the binding that Python's TLS gives; a resumed session has another first Finished. */
const bindingScript = String.raw`
import base64, hashlib, hmac, imaplib, ssl, sys
port, version, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
h = lambda key, text: hmac.digest(key, text, 'sha256')

def sign_in(session):
    import socket
    raw = context.wrap_socket(socket.create_connection(('127.0.0.1', port)), session=session)
    file = raw.makefile('rb')
    file.readline()
    if kind == 'tls-unique':
        data = raw.get_channel_binding('tls-unique')
    else:
        data = hashlib.sha256(raw.getpeercert(True)).digest()
    gs2 = b'p=' + kind.encode() + b',,'
    bare = b'n=ada@posthorn.test,r=abcdef'
    send = lambda text: raw.sendall(text + b'\r\n')
    send(b'a AUTHENTICATE SCRAM-SHA-256-PLUS ' + base64.b64encode(gs2 + bare))
    answer = file.readline()
    assert answer.startswith(b'+ '), answer
    first = base64.b64decode(answer[2:])
    nonce, salt, count = [part[2:] for part in first.split(b',')]
    salted = hashlib.pbkdf2_hmac('sha256', b'correct horse', base64.b64decode(salt), int(count))
    without = b'c=' + base64.b64encode(gs2 + data) + b',r=' + nonce
    message = bare + b',' + first + b',' + without
    client = h(salted, b'Client Key')
    proof = bytes(a ^ b for a, b in zip(client, h(hashlib.sha256(client).digest(), message)))
    send(base64.b64encode(without + b',p=' + base64.b64encode(proof)))
    answer = file.readline()
    assert answer.startswith(b'+ '), answer
    assert base64.b64decode(answer[2:]) == b'v=' + base64.b64encode(h(h(salted, b'Server Key'), message))
    send(b'')
    answer = file.readline()
    assert answer.startswith(b'a OK'), answer
    return raw.session, raw.session_reused

session, reused = sign_in(None)
assert not reused
session, reused = sign_in(session)
print('reused' if reused else 'fresh')
`

test('Python binds to TLS 1.2 by its Finished message, and to either version by the certificate', {
  skip: await needs('python3'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  for (const [version, kind] of [
    ['TLSv1_2', 'tls-unique'],
    ['TLSv1_2', 'tls-server-end-point'],
    ['TLSv1_3', 'tls-server-end-point'],
  ] as const) {
    const ran = await run('python3', ['-c', bindingScript, `${ports.imaps}`, version, kind])
    assert.equal(ran.code, 0, `${version} ${kind}\n${ran.stderr}`)
    if (version === 'TLSv1_2') assert.equal(ran.stdout.trim(), 'reused', 'no session was resumed')
  }
  const none = await run('python3', ['-c', bindingScript, `${ports.imaps}`, 'TLSv1_3', 'tls-unique'])
  assert.match(none.stderr, /AUTHENTICATIONFAILED|NoneType|not-offered|AssertionError|TypeError/)
})
