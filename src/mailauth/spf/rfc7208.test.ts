// The test suite of openspf.org: zone data and what each client is told. And a second opinion: what mailauth says of the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spf } from 'mailauth/lib/spf/index.js'
import { toLibrary } from '../lookups.ts'
import { checkSpf } from './index.ts'
import { scenarios, suiteResolver } from './testing/suite.ts'

for (const { description, tests, zonedata } of scenarios)
  test(`RFC 7208: ${description}`, async (t) => {
    const resolver = suiteResolver(zonedata)
    for (const [name, { helo, host, mailfrom, result, explanation }] of Object.entries(tests))
      await t.test(name, async () => {
        const answer = await checkSpf(resolver, {
          ip: host,
          sender: mailfrom,
          helo,
          receiver: 'receiver.example.net',
          now: 1_700_000_000,
        })
        assert.ok([result].flat().includes(answer.result), `${answer.result} (${answer.problem ?? answer.mechanism})`)
        if (explanation === undefined) return
        assert.equal((answer.explanation ?? 'DEFAULT').toLowerCase(), explanation.toLowerCase())
      })
  })

test('a second opinion: mailauth, as strict, says the same of every case', async () => {
  const differing: string[] = []
  for (const { tests, zonedata } of scenarios) {
    const resolver = suiteResolver(zonedata)
    for (const [name, { helo, host, mailfrom }] of Object.entries(tests)) {
      const question = { ip: host, sender: mailfrom, helo, receiver: 'receiver.example.net', now: 1_700_000_000 }
      const ours = await checkSpf(resolver, question)
      const asked = toLibrary(resolver)
      const ask = async (at: string, type: string) => {
        if (type !== 'PTR') return asked(at, type)
        const found = await resolver.ptr(host)
        return found.status === 'ok' ? found.records : []
      }
      const theirs = await spf({
        sender: mailfrom,
        ip: host,
        helo,
        mta: 'receiver.example.net',
        resolver: ask as never,
        strict: true,
      })
      if (ours.result !== theirs.status.result)
        differing.push(`${name}: ${ours.result}, mailauth ${theirs.status.result}`)
    }
  }
  assert.deepEqual(differing, [])
})
