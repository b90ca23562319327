import assert from 'node:assert/strict'
import { test } from 'node:test'
import { charsetNames, isCharset } from './index.ts'

test('a charset is known under its names', () => {
  for (const name of [...charsetNames, 'utf8', 'latin1', 'cp932', ' Big5 ']) assert.ok(isCharset(name), name)
  for (const name of ['x-none', 'x-unknown', 'hex', 'base64', 'x-user-defined', 'replacement'])
    assert.ok(!isCharset(name), name)
})
