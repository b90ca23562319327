// The header of the PROXY protocol: what HAProxy writes, what nobody writes, and every header cut short.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseProxyHeader } from './proxy-header.ts'

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Version 2: `command` 0x20 LOCAL or 0x21 PROXY, `family` with its protocol. */
function binary(command: number, family: number, addresses: readonly number[], fields: readonly number[] = []): Buffer {
  const length = addresses.length + fields.length
  return Buffer.concat([signature, Buffer.from([command, family, length >> 8, length & 255, ...addresses, ...fields])])
}
const v4 = [192, 0, 2, 1, 203, 0, 113, 9, 0x30, 0x39, 0, 25]
const v6 = [0x20, 1, 0x0d, 0xb8, ...Array<number>(11).fill(0), 7, ...Array<number>(16).fill(0), 0, 1, 0, 25]
const mapped = [...Array<number>(10).fill(0), 255, 255, 192, 0, 2, 1, ...Array<number>(16).fill(0), 0, 1, 0, 25]

const good: readonly [string, Buffer, string | undefined][] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.1 203.0.113.9 12345 25\r\n'), '192.0.2.1'],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8:0::7 2001:db8::1 1 65535\r\n'), '2001:db8::7'],
  ['loopback in full', Buffer.from('PROXY TCP6 0:0:0:0:0:0:0:1 ::1 1 25\r\n'), '::1'],
  ['a mapped address', Buffer.from('PROXY TCP6 ::ffff:192.0.2.1 ::1 1 25\r\n'), '192.0.2.1'],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['UNKNOWN with words', Buffer.from('PROXY UNKNOWN ffff:f...f:ffff ffff 65535 65535\r\n'), undefined],
  ['v2 INET', binary(0x21, 0x11, v4), '192.0.2.1'],
  ['v2 INET with fields', binary(0x21, 0x11, v4, [1, 0, 2, 104, 50, 4, 0, 1, 0]), '192.0.2.1'],
  ['v2 INET6', binary(0x21, 0x21, v6), '2001:db8::7'],
  ['v2 INET6 mapped', binary(0x21, 0x21, mapped), '192.0.2.1'],
  ['v2 LOCAL', binary(0x20, 0, []), undefined],
  ['v2 LOCAL with addresses', binary(0x20, 0x11, v4), undefined],
  ['v2 UNSPEC', binary(0x21, 0, []), undefined],
  ['v2 UNIX', binary(0x21, 0x31, Array<number>(216).fill(65)), undefined],
]

test('the client of each header, and where it ends', () => {
  for (const [name, bytes, address] of good) {
    const behind = Buffer.concat([bytes, Buffer.from('EHLO x\r\n')])
    const expected = { length: bytes.length, ...(address !== undefined && { address }) }
    assert.deepEqual(parseProxyHeader(behind), expected, name)
    for (let end = 0; end < bytes.length; end++)
      assert.equal(parseProxyHeader(bytes.subarray(0, end)), 'more', `${name}, ${end} bytes of it`)
  }
})

test('what is no header', () => {
  const line = (text: string) => Buffer.from(`${text}\r\n`)
  const bad: readonly Buffer[] = [
    line('EHLO x'),
    line('proxy TCP4 192.0.2.1 203.0.113.9 1 2'),
    line('PROXY  TCP4 192.0.2.1 203.0.113.9 1 2'),
    line('PROXY'),
    line('PROXY TCP4'),
    line('PROXY TCP4 192.0.2.1 203.0.113.9 1'),
    line('PROXY TCP4 192.0.2.1 203.0.113.9 1 2 3'),
    line('PROXY TCP4 192.0.2.1 203.0.113.9 1 65536'),
    line('PROXY TCP4 192.0.2.1 203.0.113.9 01 2'),
    line('PROXY TCP4 192.0.2.1 203.0.113.9 -1 2'),
    line('PROXY TCP4 192.0.2.256 203.0.113.9 1 2'),
    line('PROXY TCP4 2001:db8::1 203.0.113.9 1 2'),
    line('PROXY TCP6 192.0.2.1 203.0.113.9 1 2'),
    line('PROXY TCP6 fe80::1%eth0 ::1 1 2'),
    line('PROXY UDP4 192.0.2.1 203.0.113.9 1 2'),
    Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}\r\n`),
    Buffer.from('PROXY TCP4 192.0.2.1 203.0.113.9 1 2\n'.padEnd(107, ' ')),
    binary(0x11, 0x11, v4),
    binary(0x22, 0x11, v4),
    binary(0x21, 0x41, v4),
    binary(0x21, 0x13, v4),
    binary(0x21, 0x11, v4.slice(1)),
    binary(0x21, 0x21, v4),
    binary(0x21, 0x11, v4, Array<number>(5000).fill(0)),
  ]
  for (const bytes of bad) assert.equal(parseProxyHeader(bytes), 'bad', JSON.stringify(bytes.toString('latin1')))
})

test('any bytes are answered, and more of them never take back a decision', () => {
  const start = fc.constantFrom(Buffer.alloc(0), signature, Buffer.from('PROXY '), Buffer.from('PROXY TCP4 1.2.3.4 '))
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), fc.nat(300), (head, tail, cut) => {
      const whole = Buffer.concat([head, tail])
      const early = parseProxyHeader(whole.subarray(0, cut))
      if (early !== 'more') assert.deepEqual(parseProxyHeader(whole), early)
    }),
  )
})
