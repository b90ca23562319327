// Reports as attachments: unpacked and read, or refused with a reason; what is read is written so that it reads the same.

import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { formatAggregate } from '../../../src/reports/aggregate-format.ts'
import { parseAggregate } from '../../../src/reports/aggregate-parse.ts'
import { formatTlsReport, parseTlsReport } from '../../../src/reports/tls-format.ts'
import { MalformedReport } from '../../../src/reports/types.ts'
import { unpack } from '../../../src/reports/unpack.ts'
import type { Target } from '../engine.ts'
import { readCorpus } from '../targets.ts'

const orMalformed = (error: unknown): undefined => {
  if (!(error instanceof MalformedReport)) throw error
  return undefined
}

export const target: Target = {
  name: 'reports',
  files: ['src/reports/xml.ts', 'src/reports/aggregate-parse.ts', 'src/reports/tls-format.ts', 'src/reports/unpack.ts'],
  tokens: [
    '<',
    '</',
    '/>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<?',
    '?>',
    '<!DOCTYPE',
    '&#x41;',
    '&amp;',
    '&',
    'xmlns=',
    '"',
    ':',
    '<record>',
    '</record>',
    '{',
    '}',
    '[',
    ']',
    'policies',
    'PK\x03\x04',
    'PK\x05\x06',
    '\x1f\x8b',
  ],
  seeds() {
    const bare = readCorpus('reports', (file) => file.endsWith('.xml') || file.endsWith('.json'))
    return [...bare, ...bare.map((bytes) => gzipSync(bytes))]
  },
  async run(input) {
    const files = (await unpack(input).catch(orMalformed)) ?? []
    for (const text of [input, ...files].map((bytes) => bytes.toString())) {
      const report = await parseAggregate(text).catch(orMalformed)
      // What only RFC 7489 says is not written again.
      if (
        report?.form === 'rfc9990' &&
        report.records.every(({ dkimResults }) => dkimResults.every(({ selector }) => selector))
      )
        assert.equal((await parseAggregate(formatAggregate(report))).records.length, report.records.length)
      try {
        const tls = parseTlsReport(text)
        assert.deepEqual(parseTlsReport(formatTlsReport(tls)), tls)
      } catch (error) {
        orMalformed(error)
      }
    }
  },
}
