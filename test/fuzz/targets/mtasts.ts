// MTA-STS records and policies, and certificates as DANE reads them: what is parsed keeps its bounds and is written so that it parses to
// the same.

import assert from 'node:assert/strict'
import { readCertificate } from '../../../src/mailauth/certificate.ts'
import { formatStsPolicy, isStsHost, parseStsPolicy, parseStsRecord } from '../../../src/mailauth/mtasts.ts'
import { issue } from '../../../src/tls/testing/authority.ts'
import type { Target } from '../engine.ts'

export const target: Target = {
  name: 'mtasts',
  files: ['src/mailauth/mtasts.ts', 'src/mailauth/certificate.ts'],
  tokens: [
    'v=STSv1',
    'version: STSv1',
    'mode: ',
    'enforce',
    'testing',
    'none',
    'mx: ',
    '*.',
    'max_age: ',
    ';',
    'id=',
    ':',
    '\r\n',
    '\n',
    ' ',
    '\t',
  ],
  seeds() {
    const authority = issue({ subject: 'Root', ca: true, pathLength: 3 })
    const leaf = issue({ names: ['a.test'], by: authority, below: 'a.test', purpose: '1.3.6.1.5.5.7.3.1' })
    return [
      Buffer.from('v=STSv1; id=20160831085700Z; x.y-z=!;'),
      Buffer.from(
        'version: STSv1\r\nmode: enforce\r\nmx: mail.a.test\r\nmx: *.b.test\r\nmax_age: 604800\r\nx: y: z\r\n',
      ),
      Buffer.from('version: STSv1\nmode: none\nmax_age: 1'),
      authority.certificate.raw,
      leaf.certificate.raw,
    ]
  },
  run(input) {
    const text = input.toString()
    const id = parseStsRecord([text])
    if (id !== undefined) assert.match(id, /^[A-Za-z0-9]{1,32}$/)
    const policy = parseStsPolicy(text)
    if ('mode' in policy) {
      assert.ok(policy.maxAge >= 0 && policy.maxAge <= 31_557_600 && policy.mx.length <= 1_000)
      assert.deepEqual(parseStsPolicy(formatStsPolicy(policy).text), policy)
      for (const pattern of policy.mx) {
        assert.ok(isStsHost(policy, pattern.replace('*.', 'host.')))
        assert.ok(
          !isStsHost({ mx: [pattern] }, `evil.host.${pattern.replace('*.', '')}`) || pattern.startsWith('*.host.'),
        )
      }
    }
    const facts = readCertificate(input)
    if (facts) assert.ok(facts.key.length <= input.length && (facts.pathLength ?? 0) <= 255)
  },
}
