// Rewritten senders: the same addresses as postsrsd 1.10 makes with this secret on this day, and what forging and age come to.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, formatAddress, isRewritten, parseAddress } from '../address/index.ts'
import { formatRewritten, readRewritten } from './srs.ts'

const key = Buffer.from('a secret that is only for this test')
const now = 1_795_882_819_000
const day = 86_400_000
const at = (text: string): Address => parseAddress(text)!
const show = (found: ReturnType<typeof readRewritten>) => (typeof found === 'string' ? found : formatAddress(found))
const forward = (text: string, when = now) => formatAddress(formatRewritten(key, at(text), 'fwd.test', when))
const back = (text: string, when = now) => show(readRewritten(key, at(text), when))

test('addresses are those of postsrsd, there and back', () => {
  const table: readonly (readonly [string, string])[] = [
    ['Alice@example.org', 'SRS0=kpJu=JR=example.org=Alice@fwd.test'],
    ['a=b+c@x.example.org', 'SRS0=dTUj=JR=x.example.org=a=b+c@fwd.test'],
    ['SRS0=opaque=AA=orig.test=bob@first.test', 'SRS1=uONP=first.test==opaque=AA=orig.test=bob@fwd.test'],
    ['SRS0+opaque=AA=orig.test=bob@first.test', 'SRS1=vwEK=first.test=+opaque=AA=orig.test=bob@fwd.test'],
  ]
  for (const [sender, rewritten] of table) {
    assert.equal(forward(sender), rewritten)
    assert.equal(back(rewritten), sender)
    assert.equal(back(rewritten.toUpperCase()).toLowerCase(), sender.toLowerCase(), 'letters may change their case')
  }
  // A third forwarder keeps the way through the first alone.
  const third = 'SRS1=xxxx=first.test==opaque=AA=orig.test=bob@second.test'
  assert.equal(forward(third), 'SRS1=uONP=first.test==opaque=AA=orig.test=bob@fwd.test')
})

test('a local part with anything in it comes back as it was', () => {
  for (const sender of [
    '"a b"@x.test',
    '"a@b"@x.test',
    '"a\\"b"@x.test',
    'jörg@x.test',
    'x@[192.0.2.1]',
    'a==b=@x.test',
  ])
    assert.equal(back(forward(sender)), sender)
})

test('an address that was changed, or that nobody here made, is forged', () => {
  const good = forward('bob@orig.test')
  assert.equal(back(good), 'bob@orig.test')
  const forged = [
    good.replace('bob', 'eve'),
    good.replace('orig.test', 'evil.test'),
    good.replace('=JR=', '=JS='),
    good.replace(/SRS0=..../, 'SRS0='),
    good.replace(/SRS0=..../, 'SRS0=AAAA'),
    'SRS0=@fwd.test',
    'SRS0=kpJu=JR=example.org@fwd.test',
    'SRS0=kpJu=JR=example.org=@fwd.test',
    'SRS1=uONP=first.test@fwd.test',
    'SRS1=uONP=first.test==opaque=AA=orig.test=eve@fwd.test',
    'SRS1=uONP=evil.test==opaque=AA=orig.test=bob@fwd.test',
    'SRS1=uONP=first.test=opaque=AA=orig.test=bob@fwd.test',
    'SRS1===@fwd.test',
  ]
  for (const text of forged) assert.equal(back(text), 'forged', text)
  const other = Buffer.from('another secret')
  assert.equal(readRewritten(other, at(good), now), 'forged')
  for (const text of ['SRS0bob@x.test', 'bob@x.test', 'SRS2=a@x.test', 'srs@x.test'])
    assert.equal(isRewritten(at(text).local), false, text)
})

test('an address is good for 21 days, across the end of the count of days too', () => {
  for (const start of [now, (Math.ceil(now / day / 1024) * 1024 - 1) * day]) {
    const made = forward('bob@orig.test', start)
    for (const days of [-1, 0, 1, 21]) assert.equal(back(made, start + days * day), 'bob@orig.test', `${days}`)
    for (const days of [-2, 22, 500, 1000]) assert.equal(back(made, start + days * day), 'expired', `${days}`)
  }
})
