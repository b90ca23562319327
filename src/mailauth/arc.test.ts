// The ARC test suite: a message, the keys, and what the chain is worth.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { realClock, silentLog } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { createVerifier } from './index.ts'

interface Suite {
  readonly description: string
  readonly tests: Readonly<Record<string, { readonly message: string; readonly cv: string }>>
  readonly 'txt-records': Readonly<Record<string, string>>
}

const file = join(import.meta.dirname, '../../test/corpus/arc/arc-draft-validation-tests.yml')
const suites = parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as Suite)

for (const { description, tests, 'txt-records': records } of suites)
  test(`ARC: ${description.trim()}`, async (t) => {
    const zone = Object.entries(records).map(([name, text]) => `${name} TXT "${text.replaceAll('\n', '')}"`)
    const verifier = createVerifier({
      resolver: zoneResolver(zone.join('\n')),
      clock: realClock,
      log: silentLog,
      authservId: 'mx.test',
    })
    for (const [name, { message, cv }] of Object.entries(tests))
      await t.test(name, async () => {
        const bytes = Buffer.from(message.replaceAll('\n', '\r\n'))
        const split = bytes.subarray(0, 2).toString() === '\r\n' ? 2 : bytes.indexOf('\r\n\r\n') + 4
        const { arc } = await verifier.verify({
          ip: '192.0.2.1',
          helo: 'client.test',
          sender: 'a@client.test',
          header: bytes.subarray(0, split),
          body: bytes.subarray(split),
        })
        // The suite writes the empty string where a message is beyond judging.
        const wanted = cv === '' ? ['none', 'fail'] : [cv.toLowerCase()]
        assert.ok(wanted.includes(arc.result), `${arc.result} ${arc.reason ?? ''}`)
      })
  })
