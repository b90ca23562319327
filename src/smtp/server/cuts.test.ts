// A session says the same however its bytes are cut into packets: whole at once, or anywhere in between. What differs is what an
// attacker hides between two packets.

import assert from 'node:assert/strict'
import net from 'node:net'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { AccountReads } from '../../accounts/index.ts'
import { realClock, silentLog } from '../../base/index.ts'
import type { NewContent } from '../../mail/index.ts'
import { createSmtpServer } from './index.ts'

const yes = { ok: true } as const
const no = { ok: false, refusal: { code: 'unknown-user', text: 'no' } } as const
const taken: string[] = []

const server = createSmtpServer({
  hostname: 'mail.example.test',
  accounts: {} as AccountReads,
  checks: {
    sender: async () => yes,
    recipient: async (_arrival, _from, { local }) => (local === 'nobody' ? no : yes),
    header: async (_arrival, _envelope, header) => ({ header }),
    content: async (arrival) => ({ arrival }),
  },
  delivery: {
    async receive(_arrival, { from, to, params }, content) {
      taken.push(JSON.stringify([from, to, params?.binary, Buffer.from(content.bytes!).toString('latin1')]))
      return { verdicts: to.map(() => yes) }
    },
  },
  spool() {
    const chunks: Buffer[] = []
    return {
      write: (chunk) => void chunks.push(chunk),
      finish: async () => ({ bytes: Buffer.concat(chunks) }) as unknown as NewContent,
      abort() {},
    }
  },
  tls: () => undefined,
  plaintextAuth: 'never',
  trustedNetworks: [],
  proxies: [],
  xclient: ['127.0.0.1'],
  limits: { maxMessageSize: 500, messageLine: 60, badCommands: 1000 },
  log: silentLog,
  clock: realClock,
})
const { port } = await server.listen('mx', '127.0.0.1:0')
after(() => server.stop(0))

/** What the server says to these packets, and what it took. */
async function talk(packets: readonly Buffer[]): Promise<string> {
  taken.length = 0
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  let said = ''
  socket.on('data', (chunk) => (said += chunk))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const packet of packets) {
    socket.write(packet)
    if (packets.length > 1) await new Promise(setImmediate)
  }
  socket.end()
  await closed
  return `${said.replaceAll(/queued as \w+/g, 'queued')}${taken.join('\n')}`
}

const text = fc.string({ unit: fc.constantFrom('a', '.', '\r\n', '\r\n.', '\r', '\n', '\0'), maxLength: 40 })
const bdat = fc
  .tuple(text, fc.boolean(), fc.nat(3))
  .map(
    ([body, last, wrong]) =>
      `BDAT ${Math.max(body.length - (wrong === 3 ? 1 : 0), 0)}${last ? ' LAST' : ''}\r\n${body}`,
  )
const command = fc.constantFrom(
  'EHLO a.test\r\n',
  'MAIL FROM:<a@b.test>\r\n',
  'MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n',
  'RCPT TO:<c@d.test> NOTIFY=NEVER\r\n',
  'RCPT TO:<nobody@d.test>\r\n',
  'DATA\r\n',
  'RSET\r\n',
  'NOOP\r\n',
  'XCLIENT ADDR=192.0.2.1\r\n',
  'FROB\r\n',
  '\r\n',
  `NOOP ${'x'.repeat(100)}\r\n`,
)
const begin = 'EHLO a.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n'
const session = fc
  .array(
    fc.oneof(
      { arbitrary: command, weight: 4 },
      bdat,
      bdat.map((chunk) => begin + chunk),
      text.map((body) => `${begin}DATA\r\n${body}\r\n.\r\n`),
    ),
    { maxLength: 12 },
  )
  .map((steps) => `EHLO a.test\r\n${steps.join('')}`)

test('replies and messages do not depend on where packets are cut', async () => {
  await fc.assert(
    fc.asyncProperty(session, fc.array(fc.nat(600), { maxLength: 12 }), async (steps, at) => {
      const bytes = Buffer.from(steps, 'latin1')
      const cuts = [0, ...at.map((n) => Math.min(n, bytes.length)).sort((a, b) => a - b), bytes.length]
      const packets = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
      assert.equal(await talk(packets), await talk([bytes]))
    }),
    { numRuns: 150 },
  )
})
