// Bounces, complaints and replies: whatever came back must be read in bounds and without a throw.

import assert from 'node:assert/strict'
import { classifyText, classWords, findReply, readBounce } from '../../../src/smtp/bounces/index.ts'
import type { Target } from '../engine.ts'
import { readCorpus } from '../targets.ts'

export const target: Target = {
  name: 'bounces',
  files: ['src/smtp/bounces'],
  tokens: [
    '\r\n',
    '\n\n',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    'Content-Type: message/delivery-status',
    'Content-Type: message/feedback-report',
    'Content-Type: message/rfc822',
    'Final-Recipient: rfc822; ',
    'Original-Recipient: ',
    'Action: failed',
    'Action: delayed',
    'Status: 5.1.1',
    'Diagnostic-Code: smtp; 550 ',
    'X-Failed-Recipients: a@example.com',
    'Return-Path: <>',
    'From: MAILER-DAEMON',
    'From: no-reply@sns.amazonaws.com',
    '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{}]}}',
    'Subject: failure notice',
    '--- Below this line is a copy of the message.',
    'Message-ID: <a@b>',
    'Feedback-Type: abuse',
    '<a@example.com>:',
    '>>> RCPT TO:<a@example.com>',
    '<<< 550 5.1.1 ',
    '(#5.1.1)',
    'could not be delivered',
    'has been delayed',
    '@',
    '--b',
    '--b--',
    '://',
    '\xff',
    '\0',
  ],
  seeds: () => readCorpus('bounces', (file) => file.endsWith('.eml')),
  run(input) {
    const found = readBounce(input)
    assert.ok(JSON.stringify(found).isWellFormed())
    if (found.kind === 'bounce') {
      assert.ok(found.recipients.length <= 1000)
      for (const recipient of found.recipients) {
        assert.ok(recipient.class in classWords)
        assert.ok(recipient.address.length <= 320 && (recipient.diagnostic ?? '').length <= 500)
        assert.ok(!recipient.hard || recipient.action === 'failed')
      }
    }
    const text = input.toString('latin1')
    assert.ok(classifyText(text).class in classWords)
    const reply = findReply(text)
    if (reply?.code !== undefined) assert.equal(Number(text.slice(reply.at, reply.at + 3)), reply.code)
  },
}
