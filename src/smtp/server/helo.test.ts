// What strangers call themselves, and what is made of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeHelo } from './helo.ts'

const facts = { hostname: 'mx.here.test', ownIp: '192.0.2.1', clientIp: '198.51.100.7' }

test('our own name is refused, what servers say in good faith is not', () => {
  for (const [helo, sense] of [
    ['mx.here.test', 'ours'],
    ['MX.Here.Test', 'ours'],
    ['[192.0.2.1]', 'ours'],
    ['192.0.2.1', 'ours'],
    ['here.test', 'fair'],
    ['mail.elsewhere.test', 'fair'],
    ['[198.51.100.7]', 'fair'],
    ['[10.0.0.5]', 'doubtful'],
    ['[IPv6:2001:db8::1]', 'doubtful'],
    ['EXCHANGE01', 'doubtful'],
    ['localhost', 'doubtful'],
  ] as const)
    assert.equal(judgeHelo(helo, facts), sense, helo)
  const v6 = { ...facts, clientIp: '2001:db8::1' }
  assert.equal(judgeHelo('[IPv6:2001:DB8:0::1]', v6), 'fair')
  // A client on this machine's own address is no thief of it.
  assert.equal(judgeHelo('[192.0.2.1]', { ...facts, clientIp: '192.0.2.1' }), 'fair')
})
