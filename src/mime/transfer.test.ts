// Transfer encodings in pieces: the same bytes wherever the body is cut, and no more work for a body of nothing.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBody, openTransfer } from './transfer.ts'

const bodies: readonly (readonly [encoding: string, body: string])[] = [
  ['base64', 'aGVsbG8gd29ybGQ=\r\naGVs bG8=\r\n!!aA==\r\nQUJD'],
  ['base64', 'AAECAwQFBgcICQ==\r\n--trailer'],
  ['quoted-printable', 'one =3D t=\r\nwo  \r\n=20 \r\nend= \r\n.=\r\n==41\r\n'],
  ['8bit', 'as it is\r\n'],
]

test('a blank before a soft line break is part of the text, though the line ends behind it', () => {
  assert.equal(decodeBody('quoted-printable', Buffer.from('kept =\r\n\r\nlost \r\n')).toString(), 'kept \r\nlost\r\n')
})

for (const [encoding, body] of bodies)
  test(`${encoding}: ${JSON.stringify(body)} is the same in pieces of any size`, () => {
    const bytes = Buffer.from(body)
    const whole = decodeBody(encoding, bytes).toString('latin1')
    for (let size = 1; size < bytes.length; size++) {
      const transfer = openTransfer(encoding)
      let out = ''
      for (let at = 0; at < bytes.length; at += size)
        out += transfer.write(bytes.subarray(at, at + size)).toString('latin1')
      assert.equal(out + transfer.end().toString('latin1'), whole, `pieces of ${size}`)
    }
  })

test('base64 in stretches reads as each of them alone', () => {
  const alphabet = 'ABCabc019+/-_=\r\n !'
  for (let round = 0; round < 2_000; round++) {
    const body = Array.from({ length: round % 40 }, () => alphabet[Math.floor(Math.random() * alphabet.length)]).join(
      '',
    )
    const stretches = body.split('=').map((one) => Buffer.from(one, 'base64'))
    assert.deepEqual(decodeBody('base64', Buffer.from(body)), Buffer.concat(stretches), JSON.stringify(body))
  }
})

// What is held back is copied for each piece: if it grew, these would take minutes.
for (const [encoding, fill] of [
  ['base64', '!'],
  ['base64', 'A= '],
  ['quoted-printable', ' '],
  ['quoted-printable', '='],
] as const)
  test(`${encoding}: 20 MB of ${JSON.stringify(fill)} are read in little time`, () => {
    const piece = Buffer.alloc(65_536, fill)
    const transfer = openTransfer(encoding)
    const began = performance.now()
    for (let i = 0; i < 320; i++) transfer.write(piece)
    assert.ok(transfer.end().length <= 8192)
    assert.ok(performance.now() - began < 10_000)
  })
