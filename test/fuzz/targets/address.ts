// Addresses and paths: what is parsed must be written so that it parses to the same.

import assert from 'node:assert/strict'
import {
  addressKey,
  formatAddress,
  formatPath,
  needsUtf8,
  parseAddress,
  parsePath,
  sameAddress,
  toAscii,
  toUnicode,
} from '../../../src/address/index.ts'
import type { Target } from '../engine.ts'
import { readCorpus } from '../targets.ts'

export const target: Target = {
  name: 'address',
  files: ['src/address'],
  tokens: [
    '@',
    '<',
    '>',
    '"',
    '\\',
    '.',
    '[',
    ']',
    '[IPv6:',
    '::1',
    '127.0.0.1',
    'xn--',
    'ü',
    '。',
    ':',
    ',',
    'postmaster',
    '@a,@b:',
    '%eth0',
  ],
  seeds() {
    const lines = readCorpus('address', (file) => file.endsWith('.txt')).flatMap((text) => text.toString().split('\n'))
    return lines.filter((line) => line && !line.startsWith('#')).map((line) => Buffer.from(line.split('\t')[0]!))
  },
  run(input) {
    const text = input.toString()
    const address = parseAddress(text)
    if (address) {
      assert.deepEqual(parseAddress(formatAddress(address)), address)
      assert.ok(Buffer.byteLength(formatAddress(address)) <= 64 + 1 + 255)
      assert.ok(sameAddress(address, parseAddress(addressKey(address)) ?? address))
      assert.equal(needsUtf8(address), needsUtf8({ ...address, domain: '' }))
    }
    for (const source of [input, text]) {
      const found = parsePath(source, 0)
      if (!found) continue
      assert.ok(found.end > 1 && found.end <= source.length)
      assert.deepEqual(parsePath(Buffer.from(formatPath(found.path)))?.path, found.path)
    }
    const ascii = toAscii(text)
    if (ascii !== undefined) {
      assert.equal(toAscii(ascii), ascii)
      toUnicode(ascii)
    }
  },
}
