// The packed block: what is written is read again, at the size that the schema was planned for.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { blockSize, createBlock, decodeBlock, encodeBlock } from './flag-block.ts'

test('every slot survives writing and reading', () => {
  const slot = fc.record({
    slot: fc.nat(blockSize - 1),
    present: fc.boolean(),
    lo: fc.nat(0xffffffff),
    hi: fc.oneof(fc.constant(0), fc.nat(0xffffffff)),
    modseq: fc.nat(2 ** 48 - 1),
  })
  fc.assert(
    fc.property(fc.nat(2 ** 24), fc.array(slot, { maxLength: 300 }), (number, slots) => {
      const block = createBlock(number)
      for (const s of slots) {
        block.present[s.slot] = s.present ? 1 : 0
        block.lo[s.slot] = s.lo
        block.hi[s.slot] = s.hi
        block.modseqs[s.slot] = s.modseq
        block.count = Math.max(block.count, s.slot + 1)
      }
      block.modseq = Math.max(0, ...block.modseqs)
      const bytes = encodeBlock(block)
      assert.deepEqual(decodeBlock(number, bytes, true), block)
      const exact = decodeBlock(number, bytes)
      assert.equal(exact.lo.length, block.count)
      assert.deepEqual([...exact.modseqs], [...block.modseqs.subarray(0, block.count)])
    }),
  )
})

test('a full block without rare keywords takes ten bytes and a bit per UID', () => {
  const block = createBlock(3)
  block.present.fill(1)
  block.count = blockSize
  assert.equal(encodeBlock(block).length, 4 + 32 + 10 * 256)
})

test('reads from the middle of a larger buffer', () => {
  const block = createBlock(1)
  block.present[2] = 1
  block.modseqs[2] = 7
  block.count = 3
  const bytes = encodeBlock(block)
  const padded = Buffer.concat([Buffer.from('xyz'), bytes])
  assert.equal(decodeBlock(1, padded.subarray(3)).modseq, 7)
})

test('damaged bytes are named, not believed', () => {
  const good = encodeBlock({ ...createBlock(1), count: 5 })
  for (const bad of [
    new Uint8Array(),
    good.subarray(0, 3),
    good.subarray(0, 10),
    Uint8Array.of(9, ...good.subarray(1)),
  ])
    assert.throws(() => decodeBlock(1, bad), /damaged/)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        decodeBlock(1, bytes)
      } catch (error) {
        assert.match(String(error), /damaged/)
      }
    }),
  )
})
