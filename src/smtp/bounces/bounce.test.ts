// Every message of the corpus against what it says; and hostile ones, which must cost little and break nothing.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { composeReport } from '../../mime/index.ts'
import { type Finding, readBounce } from './index.ts'

const folder = resolve(import.meta.dirname, '../../../test/corpus/bounces')
const names = readdirSync(folder).filter((name) => name.endsWith('.eml'))
const load = (name: string) => readFileSync(join(folder, name))

test('each message of the corpus is read as expected', () => {
  assert.equal(names.length, 210)
  const file = join(folder, 'expected.json')
  const found = Object.fromEntries(names.map((name) => [name, readBounce(load(name))]))
  const lines = Object.entries(found).map(([name, finding]) => `${JSON.stringify(name)}: ${JSON.stringify(finding)}`)
  if (process.env['POSTHORN_GOLDENS'] === 'write') writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`)
  const expected = JSON.parse(readFileSync(file, 'utf8')) as { readonly [name: string]: Finding }
  for (const name of names) assert.deepEqual(found[name], expected[name], name)
})

test('line ends make no difference', () => {
  for (const name of names) {
    const lf = load(name).toString('latin1').replaceAll('\r\n', '\n')
    const crlf = Buffer.from(lf.replaceAll('\n', '\r\n'), 'latin1')
    assert.deepEqual(readBounce(crlf), readBounce(Buffer.from(lf, 'latin1')), name)
  }
})

const mail = (header: string, body: string) => Buffer.from(`${header}\n\n${body}`)

test('what people write is no bounce, also when it speaks of one', () => {
  const from = 'From: Anna <anna@example.com>\nTo: bob@example.net'
  const texts = [
    mail(`${from}\nSubject: lunch`, 'Are you hungry?'),
    mail(
      `${from}\nSubject: Re: Undelivered Mail Returned to Sender`,
      'My mail could not be delivered to <x@example.org>: why?',
    ),
    mail(`${from}\nSubject: Fwd: failure notice`, '<x@example.org>:\n550 5.1.1 user unknown could not be delivered'),
    mail(`${from}\nSubject: your order`, 'The parcel could not be delivered to you. x@example.org'),
    mail(`Return-Path: <>\n${from}\nSubject: Newsletter`, 'Hello reader@example.org'),
  ]
  for (const text of texts) assert.deepEqual(readBounce(text), { kind: 'none' }, text.toString())
})

test('reports of delivery are no failures', () => {
  const found = readBounce(
    mail(
      'Return-Path: <>\nContent-Type: multipart/report; report-type=delivery-status; boundary=b',
      '--b\n\ndone\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\nOriginal-Envelope-Id: q7\n\n' +
        'Final-Recipient: rfc822; a@example.com\nAction: delivered\nStatus: 2.0.0\n\n' +
        'Final-Recipient: utf-8; ü@example.com\nAction: relayed\nStatus: 2.0.0\n--b--\n',
    ),
  )
  assert.ok(found.kind === 'bounce')
  assert.equal(found.envelopeId, 'q7')
  assert.deepEqual(
    found.recipients.map(({ action, hard }) => [action, hard]),
    [
      ['delivered', false],
      ['relayed', false],
    ],
  )
})

test('the reports that this server writes are read again', () => {
  for (const utf8 of [false, true]) {
    const address = utf8 ? 'ü@example.net' : 'u@example.net'
    const bytes = composeReport({
      from: { address: 'MAILER-DAEMON@example.com' },
      to: { address: 'a@example.com' },
      subject: 'Not delivered',
      date: 0,
      messageId: '<dsn@example.com>',
      text: 'Your message could not be delivered.',
      perMessage: [
        ['Reporting-MTA', 'dns; mx.example.com'],
        ['Original-Envelope-Id', 'q7'],
      ],
      perRecipient: [
        [
          ['Final-Recipient', `${utf8 ? 'utf-8' : 'rfc822'}; ${address}`],
          ['Action', 'failed'],
          ['Status', '5.2.2'],
          ['Remote-MTA', 'dns; mx.example.net'],
          ['Diagnostic-Code', 'smtp; 552 5.2.2 over quota'],
        ],
      ],
      original: Buffer.from('Message-ID: <m1@example.com>\r\nSubject: hi\r\n\r\n'),
      originalIs: 'headers',
      utf8,
      autoSubmitted: 'auto-replied',
    })
    assert.deepEqual(readBounce(bytes), {
      kind: 'bounce',
      form: 'report',
      recipients: [
        {
          address,
          action: 'failed',
          diagnostic: '552 5.2.2 over quota',
          mta: 'mx.example.net',
          status: '5.2.2',
          class: 'mailbox-full',
          hard: false,
        },
      ],
      messageId: 'm1@example.com',
      envelopeId: 'q7',
    })
  }
})

test('notifications of Amazon SES are read, also of complaints', () => {
  const from = 'From: SES <no-reply@sns.amazonaws.com>\nSubject: AWS Notification Message'
  const complaint = {
    notificationType: 'Complaint',
    complaint: { complainedRecipients: [{ emailAddress: 'a@example.com' }], complaintFeedbackType: 'not-spam' },
    mail: { messageId: 'ses-1' },
  }
  assert.deepEqual(
    readBounce(mail(from, JSON.stringify({ Type: 'Notification', Message: JSON.stringify(complaint) }))),
    {
      kind: 'complaint',
      type: 'not-spam',
      recipients: ['a@example.com'],
      messageId: 'ses-1',
    },
  )
  assert.deepEqual(readBounce(mail(from, '{"notificationType":"Complaint"}')), {
    kind: 'complaint',
    type: 'abuse',
    recipients: [],
  })
  assert.deepEqual(readBounce(mail(from, '{"notificationType":')), { kind: 'none' })
})

/** Milliseconds that the reading of one message may take, on a busy machine. */
const patience = 1000

function readInTime(bytes: Buffer, what: string): Finding {
  const begin = performance.now()
  const found = readBounce(bytes)
  assert.ok(performance.now() - begin < patience, `${what} took ${Math.round(performance.now() - begin)} ms`)
  assert.ok(JSON.stringify(found).isWellFormed(), what)
  return found
}

test('hostile messages are bounded in time and in what is kept', () => {
  const head = 'Return-Path: <>\nFrom: MAILER-DAEMON@example.com\nSubject: failure notice'
  const report = `${head}\nContent-Type: multipart/report; boundary=b`
  const status = '--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\n'
  const bodies: readonly string[] = [
    '@'.repeat(1_000_000),
    'a@b '.repeat(250_000),
    `${'<a@b.example>:\n550 5.1.1 user unknown\n\n'.repeat(30_000)}`,
    Array.from({ length: 30_000 }, (_, i) => `<u${i}@b.example>: 550 no\n`).join(''),
    `${'>>> RCPT TO:<'.repeat(50_000)}`,
    '{'.repeat(500_000),
    '5.1.1 '.repeat(100_000),
    '\n'.repeat(1_000_000),
  ]
  for (const [i, body] of bodies.entries()) readInTime(mail(head, body), `text ${i}`)
  const many = Array.from(
    { length: 20_000 },
    (_, i) =>
      `Final-Recipient: rfc822; u${i}@example.com\nAction: failed\nDiagnostic-Code: smtp; 550 ${'x '.repeat(100)}\n\n`,
  ).join('')
  const found = readInTime(mail(report, `${status}${many}--b--\n`), 'many recipients')
  assert.ok(found.kind === 'bounce' && found.recipients.length > 100 && found.recipients.length <= 200)
  readInTime(mail(report, status + 'Final-Recipient: '.repeat(60_000)), 'one long field')
  readInTime(mail(report, `--b\nContent-Type: multipart/mixed; boundary=b\n\n`.repeat(5000)), 'deep')
})

test('random damage to the corpus never throws, hangs or invents classes', () => {
  let seed = 7
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return seed % below
  }
  for (let round = 0; round < 600; round++) {
    const name = names[random(names.length)]!
    const bytes = Buffer.from(load(name))
    for (let n = 1 + random(20); n > 0; n--) bytes[random(bytes.length)] = random(256)
    const cut = random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
    readInTime(
      random(5) === 0 ? Buffer.concat([cut, load(names[random(names.length)]!)]) : cut,
      `${name} in round ${round}`,
    )
  }
})
