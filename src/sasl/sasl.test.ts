// Each mechanism: a good sign-in, a wrong password, and messages outside the grammar.

import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import { Fault, SyntaxFault } from '../base/index.ts'
import { createScramSha256, formatPlain, login, parseBase64, parseInitialResponse, plain, saslPrep } from './index.ts'
import type { SaslMechanism, SaslVerifier } from './types.ts'

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()

/** Keys of RFC 7677 §3: user, pencil. */
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const salted = pbkdf2Sync('pencil', salt, 4096, 32, 'sha256')
const keys = {
  salt,
  iterations: 4096,
  storedKey: createHash('sha256').update(hmac(salted, 'Client Key')).digest(),
  serverKey: hmac(salted, 'Server Key'),
}
const verifier: SaslVerifier<string> = {
  async login(user, password) {
    if (password !== 'pencil') throw new Fault('unauthenticated', 'wrong')
    return user
  },
  async scram(user) {
    return user === 'user' ? { keys, login: 'user' } : { keys }
  },
}

/** Sends the messages in order: what was asked in between, and how it ended. */
async function run(mechanism: SaslMechanism, messages: readonly (string | undefined)[]) {
  const exchange = mechanism.begin(verifier)
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
  await assert.rejects(plain.begin(verifier).respond(Buffer.from([0, 0xff, 0, 0x61])), SyntaxFault)
})

test('LOGIN asks twice, or once after an initial response', async () => {
  assert.deepEqual(await run(login, [undefined, 'ann', 'pencil']), { asked: ['Username:', 'Password:'], done: 'ann' })
  assert.deepEqual(await run(login, ['ann', 'pencil']), { asked: ['Password:'], done: 'ann' })
  await assert.rejects(run(login, ['ann', 'x']), Fault)
  await assert.rejects(run(login, ['']), SyntaxFault)
})

const nonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const scram = createScramSha256(() => nonce)

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

/** A correct client, to build exchanges that differ in one thing. */
function clientFinal(gs2: string, user: string, binding = Buffer.from(gs2).toString('base64')): [string, string] {
  const bare = `n=${user},r=abc`
  const serverFirst = `r=abc${nonce},s=${salt.toString('base64')},i=4096`
  const withoutProof = `c=${binding},r=abc${nonce}`
  const signature = hmac(keys.storedKey, `${bare},${serverFirst},${withoutProof}`)
  const proof = hmac(salted, 'Client Key').map((byte, i) => byte ^ signature[i]!)
  return [gs2 + bare, `${withoutProof},p=${Buffer.from(proof).toString('base64')}`]
}

test('SCRAM channel binding flags', async () => {
  assert.equal((await run(scram, [...clientFinal('n,,', 'user'), ''])).done, 'user')
  assert.equal((await run(scram, [...clientFinal('y,,', 'user'), ''])).done, 'user')
  assert.equal((await run(scram, [...clientFinal('n,a=user,', 'user'), ''])).done, 'user')
  await assert.rejects(run(scram, ['p=tls-exporter,,n=user,r=abc']), SyntaxFault)
  // The header in the final message differs from the first: somebody changed it on the way.
  await assert.rejects(run(scram, clientFinal('n,,', 'user', Buffer.from('y,,').toString('base64'))), Fault)
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
