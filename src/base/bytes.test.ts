import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TextWalk } from './index.ts'

test('a walk finds each control character up to CR, wherever the bytes begin in their buffer', () => {
  const byte = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(14, 32, 120, 127, 128, 141, 255) }, fc.nat(255))
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 60 }), fc.nat(8), (values, offset) => {
      const bytes = new Uint8Array(new ArrayBuffer(offset + values.length), offset)
      bytes.set(values)
      const walk = new TextWalk(bytes)
      for (let from = 0; from <= values.length; from++) {
        const found = values.findIndex((value, i) => i >= from && value <= 13)
        assert.equal(walk.next(from), found < 0 ? values.length : found)
      }
    }),
    { numRuns: 3_000 },
  )
})
