// Each mechanism: a good sign-in, a wrong password, and messages outside the grammar.

import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import { Fault, SyntaxFault } from '../base/index.ts'
import { createScram, formatPlain, login, parseBase64, parseInitialResponse, plain, saslPrep } from './index.ts'
import type { ChannelBindings, SaslKeys, SaslMechanism, SaslVerifier, ScramHash } from './types.ts'

const names = { 'SHA-1': 'sha1', 'SHA-256': 'sha256' } as const
const hmac = (hash: ScramHash, key: Uint8Array, text: string) => createHmac(names[hash], key).update(text).digest()

/** Keys of RFC 5802 §5 and RFC 7677 §3: user, pencil. */
const salts = { 'SHA-1': 'QSXCR+Q6sek8bf92', 'SHA-256': 'W22ZaJ0SNY7soEsUEjb6gQ==' } as const
function keysOf(hash: ScramHash): SaslKeys & { readonly salted: Buffer } {
  const salt = Buffer.from(salts[hash], 'base64')
  const salted = pbkdf2Sync('pencil', salt, 4096, hash === 'SHA-1' ? 20 : 32, names[hash])
  const clientKey = hmac(hash, salted, 'Client Key')
  const storedKey = createHash(names[hash]).update(clientKey).digest()
  return { salt, salted, iterations: 4096, storedKey, serverKey: hmac(hash, salted, 'Server Key') }
}
const ended: string[] = []
const verifier: SaslVerifier<string> = {
  async login(user, password) {
    if (password !== 'pencil') throw new Fault('unauthenticated', 'wrong')
    return user
  },
  async scram(user, hash) {
    return user === 'user' ? { keys: keysOf(hash), login: 'user' } : { keys: keysOf(hash) }
  },
  async scramEnded(user, right) {
    ended.push(`${user} ${right}`)
  },
}

/** Sends the messages in order: what was asked in between, and how it ended. */
async function run(mechanism: SaslMechanism, messages: readonly (string | undefined)[], bindings?: ChannelBindings) {
  const exchange = mechanism.begin(verifier, bindings)
  const asked: string[] = []
  for (const message of messages) {
    const step = await exchange.respond(message === undefined ? undefined : Buffer.from(message))
    if ('done' in step) return { asked, done: step.done }
    asked.push(step.ask.toString())
  }
  return { asked }
}

test('PLAIN signs in with and without an initial response', async () => {
  assert.deepEqual(await run(plain, ['\0ann\0pencil']), { asked: [], done: 'ann' })
  assert.deepEqual(await run(plain, [undefined, 'ann\0ann\0pencil']), { asked: [''], done: 'ann' })
  assert.equal((await run(plain, [formatPlain('ann', 'pencil').toString()])).done, 'ann')
})

test('PLAIN refuses a wrong password and another identity', async () => {
  for (const message of ['\0ann\0pen', 'bob\0ann\0pencil'])
    await assert.rejects(
      run(plain, [message]),
      (error) => error instanceof Fault && error.code === 'unauthenticated',
      message,
    )
})

test('PLAIN outside the grammar', async () => {
  for (const message of ['', 'ann', '\0ann', '\0\0pencil', '\0ann\0', '\0ann\0pencil\0more'])
    await assert.rejects(run(plain, [message]), SyntaxFault, JSON.stringify(message))
  await assert.rejects(plain.begin(verifier, undefined).respond(Buffer.from([0, 0xff, 0, 0x61])), SyntaxFault)
})

test('LOGIN asks twice, or once after an initial response', async () => {
  assert.deepEqual(await run(login, [undefined, 'ann', 'pencil']), { asked: ['Username:', 'Password:'], done: 'ann' })
  assert.deepEqual(await run(login, ['ann', 'pencil']), { asked: ['Password:'], done: 'ann' })
  await assert.rejects(run(login, ['ann', 'x']), Fault)
  await assert.rejects(run(login, ['']), SyntaxFault)
})

const nonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const scram = createScram('SHA-256', false, () => nonce)

test('SCRAM-SHA-256: the exchange of RFC 7677 §3', async () => {
  const result = await run(scram, [
    'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
    `c=biws,r=rOprNGfwEbeRWgbNEkqO${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    '',
  ])
  assert.deepEqual(result, {
    asked: [
      `r=rOprNGfwEbeRWgbNEkqO${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    ],
    done: 'user',
  })
})

test('SCRAM-SHA-1: the exchange of RFC 5802 §5', async () => {
  const server = createScram('SHA-1', false, () => '3rfcNHYJY1ZVvWVs7j')
  const result = await run(server, [
    'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
    'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    '',
  ])
  assert.deepEqual(result, {
    asked: ['r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096', 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ='],
    done: 'user',
  })
})

/** A correct client, to build exchanges that differ in one thing. */
function clientFinal(
  gs2: string,
  user: string,
  binding = Buffer.from(gs2).toString('base64'),
  hash: ScramHash = 'SHA-256',
): [string, string] {
  const { salt, salted, storedKey } = keysOf(hash)
  const bare = `n=${user},r=abc`
  const serverFirst = `r=abc${nonce},s=${Buffer.from(salt).toString('base64')},i=4096`
  const withoutProof = `c=${binding},r=abc${nonce}`
  const signature = hmac(hash, storedKey, `${bare},${serverFirst},${withoutProof}`)
  const proof = hmac(hash, salted, 'Client Key').map((byte, i) => byte ^ signature[i]!)
  return [gs2 + bare, `${withoutProof},p=${Buffer.from(proof).toString('base64')}`]
}

test('SCRAM without channel binding: flags', async () => {
  assert.equal((await run(scram, [...clientFinal('n,,', 'user'), ''])).done, 'user')
  assert.equal((await run(scram, [...clientFinal('y,,', 'user'), ''])).done, 'user')
  assert.equal((await run(scram, [...clientFinal('n,a=user,', 'user'), ''])).done, 'user')
  await assert.rejects(run(scram, ['p=tls-exporter,,n=user,r=abc']), SyntaxFault)
  // The header in the final message differs from the first: somebody changed it on the way.
  await assert.rejects(run(scram, clientFinal('n,,', 'user', Buffer.from('y,,').toString('base64'))), Fault)
})

test('SCRAM with channel binding: each hash, the flags, the data', async () => {
  const data = Buffer.from('what only this connection knows')
  const bindings: ChannelBindings = (type) => (type === 'tls-exporter' ? data : undefined)
  const bound = (gs2: string, what = data) => Buffer.concat([Buffer.from(gs2), what]).toString('base64')
  const gs2 = 'p=tls-exporter,,'
  for (const hash of ['SHA-1', 'SHA-256'] as const) {
    const plus = createScram(hash, true, () => nonce)
    assert.equal(plus.name, `SCRAM-${hash}-PLUS`)
    assert.equal((await run(plus, [...clientFinal(gs2, 'user', bound(gs2), hash), ''], bindings)).done, 'user')
    // Another connection's data, none, and the data under another type's name.
    for (const binding of [
      bound(gs2, Buffer.from('other')),
      Buffer.from(gs2).toString('base64'),
      bound('p=tls-unique,,'),
    ])
      await assert.rejects(run(plus, clientFinal(gs2, 'user', binding, hash), bindings), isUnauthenticated)
    await assert.rejects(run(plus, ['p=tls-unique,,n=user,r=abc'], bindings), isUnauthenticated)
    await assert.rejects(run(plus, [`${gs2}n=user,r=abc`]), isUnauthenticated)
    for (const flag of ['n', 'y']) await assert.rejects(run(plus, [`${flag},,n=user,r=abc`], bindings), SyntaxFault)
  }
  // The client could bind and was shown a list without -PLUS: a downgrade.
  await assert.rejects(run(scram, clientFinal('y,,', 'user'), bindings), isUnauthenticated)
  assert.equal((await run(scram, [...clientFinal('n,,', 'user'), ''], bindings)).done, 'user')
  await assert.rejects(run(scram, [`${gs2}n=user,r=abc`], bindings), SyntaxFault)
})

const isUnauthenticated = (error: unknown) => error instanceof Fault && error.code === 'unauthenticated'

test('whoever counts guesses is told how a SCRAM exchange ended', async () => {
  ended.length = 0
  const [first, final] = clientFinal('n,,', 'user')
  await run(scram, [first, final, ''])
  await assert.rejects(run(scram, [first, final.replace(/p=.*/, 'p=AAAA')]))
  await assert.rejects(run(scram, clientFinal('n,,', 'nobody')))
  // Until the client has answered the signature it is not signed in; and an exchange that was broken off was no guess.
  await run(scram, [first, final])
  await run(scram, [first])
  assert.deepEqual(ended, ['user true', 'user false', 'nobody false'])
})

test('SCRAM refuses what is wrong without telling why', async () => {
  // The right proof for made-up keys of an unknown user does not sign in.
  await assert.rejects(run(scram, clientFinal('n,,', 'nobody')), Fault)
  await assert.rejects(run(scram, clientFinal('n,a=root,', 'user')), Fault)
  const [first, final] = clientFinal('n,,', 'user')
  await assert.rejects(run(scram, [first, final.replace(nonce, 'other')]), Fault)
  await assert.rejects(run(scram, [first, final.replace(/p=.*/, 'p=AAAA')]), Fault)
})

test('SCRAM outside the grammar', async () => {
  const [first, final] = clientFinal('n,,', 'user')
  for (const bad of [
    '',
    'n',
    'n,,',
    'n,x,n=user,r=abc',
    'n,,m=1,n=user,r=a',
    'n,,n=,r=abc',
    'n,,n=u=41,r=abc',
    'n,,n=u,r=',
    'n,,n=u,r=a b',
    'n,,n=u,r=\u00e4',
    'p=,,n=u,r=abc',
    'q,,n=u,r=abc',
  ])
    await assert.rejects(run(scram, [bad]), SyntaxFault, bad)
  for (const bad of ['', 'c=biws', 'c=biws,r=abc', 'c=biws,r=abc,p=*', 'x=biws,r=abc,p=AAAA'])
    await assert.rejects(run(scram, [first, bad]), SyntaxFault, bad)
  await assert.rejects(run(scram, [first, final, 'more']), SyntaxFault)
})

test('base64 is strict', () => {
  assert.equal(parseBase64('YWI=').toString(), 'ab')
  assert.equal(parseInitialResponse('=').length, 0)
  for (const bad of ['YWI', 'YWI=x', 'Y W=', '=', '*', 'YWJ=']) assert.throws(() => parseBase64(bad), SyntaxFault, bad)
})

test('names and passwords are prepared alike', () => {
  const table: [string, string][] = [
    ['plain', 'plain'],
    ['I\u00adX', 'IX'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['a\u00a0b', 'a b'],
    ['pa\u0308ss', 'p\u00e4ss'],
  ]
  for (const [from, to] of table) assert.equal(saslPrep(from), to)
})
