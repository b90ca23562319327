// Parameters of MAIL and RCPT: what they stand for, what is none, and that no text of a client gets out as anything but itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SyntaxFault } from '../../base/index.ts'
import {
  formatOrcpt,
  formatXtext,
  parseBy,
  parseDateTime,
  parseEnvid,
  parseHoldFor,
  parseNotify,
  parseOrcpt,
  parsePriority,
} from './index.ts'

const read = <T>(parse: (text: string) => T, text: string): T | string => {
  try {
    return parse(text)
  } catch (error) {
    assert.ok(error instanceof SyntaxFault, String(error))
    return 'bad'
  }
}

test('ORCPT and ENVID: any text comes back as it went, or is refused; a control character never comes out', () => {
  const hasControl = (text: string) => [...text].some((char) => char < ' ' || (char >= '\x7f' && char < '\xa0'))
  const isAscii = (text: string) => Buffer.byteLength(text) === text.length
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }), (address) => {
      for (const type of ['rfc822', 'utf-8']) {
        const orcpt = { type, address }
        const wire = formatOrcpt(orcpt)
        assert.ok([...wire].every((char) => char > ' ' && char <= '~' && char !== '='))
        const back = read(parseOrcpt, wire)
        // Beyond ASCII the type becomes what it should have been.
        if (back !== 'bad') assert.deepEqual(back, isAscii(address) ? orcpt : { type: 'utf-8', address })
        if (hasControl(address)) assert.equal(back, 'bad')
      }
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 30 }), (text) => {
      assert.equal(read(parseEnvid, formatXtext(text)), hasControl(text) ? 'bad' : text)
    }),
  )
  assert.deepEqual(parseOrcpt('rfc822;j+C3+BC@x.test'), { type: 'utf-8', address: 'jü@x.test' })
  assert.deepEqual(parseOrcpt('UTF-8;\\x{fc}'), { type: 'utf-8', address: 'ü' })
  assert.equal(formatOrcpt({ type: 'utf-8', address: '中+\\=' }), 'utf-8;\\x{4E2D}\\x{2B}\\x{5C}\\x{3D}')
})

test('whatever stands behind the sign of a parameter is read or refused', () => {
  const text = fc.string({ unit: fc.constantFrom(...'0123456789-+;NRTnrtZ:.,\\x{}FULSCE '), maxLength: 30 })
  fc.assert(
    fc.property(text, (value) => {
      for (const parse of [parseBy, parseHoldFor, parsePriority, parseOrcpt, parseEnvid, parseNotify, parseDateTime])
        read<unknown>(parse, value)
    }),
  )
})

test('NOTIFY', () => {
  assert.deepEqual(parseNotify('never'), [])
  assert.deepEqual(parseNotify('DELAY,success'), ['success', 'delay'])
  for (const bad of ['', 'NEVER,NEVER', 'SUCCESS,NEVER', ',', 'SUCCESS,FAILURE,DELAY,SUCCESS', 'SUCCESS, DELAY'])
    assert.equal(read(parseNotify, bad), 'bad', bad)
})

test('date and time', () => {
  const table: [string, string | undefined][] = [
    ['2030-01-31T09:00:00Z', '2030-01-31T09:00:00.000Z'],
    ['2030-01-31t09:00:00z', '2030-01-31T09:00:00.000Z'],
    ['2030-01-31T09:00:00.123456+05:30', '2030-01-31T03:30:00.000Z'],
    ['2030-01-31T23:00:00-05:00', '2030-02-01T04:00:00.000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['2030-12-31T23:59:60Z', '2031-01-01T00:00:00.000Z'],
    ['2030-02-29T00:00:00Z', undefined],
    ['2030-04-31T00:00:00Z', undefined],
    ['2030-13-01T00:00:00Z', undefined],
    ['2030-00-01T00:00:00Z', undefined],
    ['2030-01-00T00:00:00Z', undefined],
    ['2030-01-01T24:00:00Z', undefined],
    ['2030-01-01T00:60:00Z', undefined],
    ['2030-01-01T00:00:61Z', undefined],
    ['2030-01-01 00:00:00Z', undefined],
    ['2030-01-01T00:00:00', undefined],
    ['2030-01-01T00:00:00.Z', undefined],
    ['2030-01-01T00:00:00+0100', undefined],
    ['2030-01-01T00:00:00+24:00', undefined],
    ['2030-01-01T00:00:00ZZ', undefined],
    [`2030-01-01T00:00:00.${'1'.repeat(100)}Z`, undefined],
    ['', undefined],
  ]
  for (const [text, expected] of table) {
    const time = parseDateTime(text)
    assert.equal(time === undefined ? undefined : new Date(time).toISOString(), expected, text)
  }
})
