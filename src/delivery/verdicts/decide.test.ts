// What was found against what is wanted: every wish by every setting, and several recipients of one message.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VerdictSettings } from '../../accounts/index.ts'
import { decide, decideFor, type Finding, type Recipient } from './decide.ts'

const spam = (action: Finding['action'], more: Partial<Finding> = {}): Finding => ({
  by: 'spamassassin',
  action,
  reasons: ['it looks so'],
  ...more,
})
const virus: Finding = { by: 'clamav', action: 'reject', virus: 'Eicar', reasons: ['ClamAV found Eicar'] }
const unsure = spam('reject', { by: 'dnsbl', sure: false })
const greylisted = spam('defer', { by: 'greylist' })
const silent = spam('defer', { by: 'clamav', failed: true, reasons: ['clamav could not be asked'] })
const dmarc = (wish: 'quarantine' | 'reject'): Finding => ({
  by: 'DMARC',
  action: wish === 'reject' ? 'reject' : 'junk',
  dmarc: wish,
  reasons: [`b.test asks to ${wish}`],
})
const scored = (score: number, action: Finding['action'] = score >= 5 ? 'junk' : 'accept') =>
  spam(action, { score, threshold: 5 })

const withAll = (findings: readonly Finding[], recipients: readonly VerdictSettings[]): Recipient[] =>
  recipients.map((settings) => ({ findings, settings }))

test('one recipient: what is done, by what was found and what is set', () => {
  const table: readonly (readonly [string, readonly Finding[], VerdictSettings, string])[] = [
    ['nothing found', [], {}, 'accept'],
    ['a filter that has nothing against it', [scored(0)], {}, 'accept'],
    ['as proposed', [spam('tag')], {}, 'tag'],
    ['as proposed', [spam('junk')], {}, 'junk'],
    ['as proposed', [spam('quarantine')], {}, 'quarantine'],
    ['as proposed', [spam('reject')], {}, 'reject'],
    ['spam is spam', [spam('junk')], { spam: 'reject' }, 'reject'],
    ['spam is spam', [spam('junk')], { spam: 'quarantine' }, 'quarantine'],
    ['a milder setting', [spam('reject')], { spam: 'quarantine' }, 'quarantine'],
    ['a milder setting', [spam('reject')], { spam: 'junk' }, 'junk'],
    ['a milder setting', [spam('quarantine')], { spam: 'tag' }, 'tag'],
    ['filters that count for nothing', [spam('reject')], { spam: 'off' }, 'accept'],
    ['suspicion is no spam', [spam('tag')], { spam: 'reject' }, 'tag'],
    ['suspicion, off', [spam('tag')], { spam: 'off' }, 'accept'],
    ['not refused by this alone', [unsure], {}, 'junk'],
    ['not refused by this alone', [unsure], { spam: 'reject' }, 'junk'],
    ['kept apart by this alone', [unsure], { spam: 'quarantine' }, 'quarantine'],
    ['refused by another', [unsure, spam('reject')], {}, 'reject'],
    ['a threshold of his own, higher', [scored(6)], { spamScore: 8 }, 'accept'],
    ['a threshold of his own, higher, reached', [scored(8)], { spamScore: 8 }, 'junk'],
    ['a threshold of his own, lower', [scored(3)], { spamScore: 2 }, 'junk'],
    ['a threshold of his own, below zero', [scored(-1)], { spamScore: -2, spam: 'tag' }, 'tag'],
    ['a threshold and a setting', [scored(3)], { spamScore: 2, spam: 'quarantine' }, 'quarantine'],
    ['refused from a score on', [scored(15)], { spamRejectScore: 15 }, 'reject'],
    ['refused from a score on', [scored(14.9)], { spamRejectScore: 15 }, 'junk'],
    ['below it never', [scored(12, 'reject')], { spamRejectScore: 15 }, 'junk'],
    ['below it never', [scored(12)], { spamRejectScore: 15, spam: 'reject' }, 'junk'],
    ['below it as set', [scored(12)], { spamRejectScore: 15, spam: 'quarantine' }, 'quarantine'],
    [
      'from it on refused, whatever is done with other spam',
      [scored(20)],
      { spamRejectScore: 15, spam: 'tag' },
      'reject',
    ],
    ['a score that nobody is sure of', [{ ...scored(20), sure: false }], { spamRejectScore: 15 }, 'junk'],
    ['a filter without score', [spam('reject')], { spamRejectScore: 15 }, 'reject'],
    ['off is off', [scored(99)], { spamRejectScore: 15, spam: 'off' }, 'accept'],
    ['malware', [virus], {}, 'reject'],
    ['malware', [virus], { virus: 'quarantine' }, 'quarantine'],
    ['malware', [virus], { virus: 'off' }, 'accept'],
    ['malware is not a kind of spam', [virus], { spam: 'junk' }, 'reject'],
    ['malware is not a kind of spam', [virus], { spam: 'off' }, 'reject'],
    ['malware and spam', [spam('junk'), virus], { virus: 'quarantine' }, 'quarantine'],
    ['the author says no', [dmarc('reject')], {}, 'reject'],
    ['the author says careful', [dmarc('quarantine')], {}, 'junk'],
    ['dmarc=quarantine', [dmarc('reject')], { dmarc: 'quarantine' }, 'quarantine'],
    ['dmarc=quarantine', [dmarc('quarantine')], { dmarc: 'quarantine' }, 'quarantine'],
    ['dmarc=junk', [dmarc('reject')], { dmarc: 'junk' }, 'junk'],
    ['dmarc=record', [dmarc('reject')], { dmarc: 'record' }, 'accept'],
    ['a filter and the author', [dmarc('quarantine'), spam('reject')], { spam: 'tag' }, 'junk'],
    ['greylisted', [greylisted], {}, 'defer'],
    ['greylisted, but nobody asked', [greylisted], { spam: 'off' }, 'accept'],
    ['a scanner that does not answer', [silent], { spam: 'off' }, 'defer'],
    ['certain before to be asked again', [greylisted, virus], {}, 'reject'],
    ['to be asked again before what is done here', [greylisted, spam('junk')], {}, 'defer'],
  ]
  for (const [what, findings, settings, expected] of table)
    assert.equal(decideFor(findings, settings).action, expected, `${what}: ${JSON.stringify([findings, settings])}`)
})

test('malware never stands in Junk, whatever is set', () => {
  for (const spamSetting of ['reject', 'quarantine', 'junk', 'tag', 'off', undefined] as const)
    for (const virusSetting of ['reject', 'quarantine', undefined] as const)
      for (const other of [spam('junk'), unsure, dmarc('quarantine'), greylisted]) {
        const settings = { ...(spamSetting && { spam: spamSetting }), ...(virusSetting && { virus: virusSetting }) }
        for (const also of [[], [{}], [{ spam: 'off' as const }]]) {
          const [{ action } = { action: 'none' }] = decide(withAll([other, virus], [settings, ...also])).decisions
          assert.ok(
            ['reject', 'quarantine', 'defer'].includes(action),
            `${action}: ${JSON.stringify([settings, other.by])}`,
          )
        }
      }
})

test('all reasons are told, and where a setting changed what was proposed', () => {
  const { action, kind, by, reasons } = decideFor(
    [scored(12, 'reject'), dmarc('quarantine'), { ...unsure, action: 'accept', reasons: ['listed nowhere'] }],
    { spam: 'junk' },
  )
  assert.deepEqual([action, kind, by], ['junk', 'spam', ['spamassassin', 'DMARC']])
  assert.deepEqual(reasons, [
    'spamassassin: it looks so, score 12 of 5 (proposed reject, by the settings junk)',
    'DMARC: b.test asks to quarantine',
  ])
  assert.deepEqual(decideFor([spam('junk')], { spam: 'off' }).reasons, [
    'spamassassin: it looks so (proposed junk, by the settings accept)',
  ])
})

test('several recipients: refused or put off only when nobody takes it, and nothing is lost', () => {
  const off = { spam: 'off' } as const
  const table: readonly (readonly [
    string,
    readonly Finding[],
    readonly VerdictSettings[],
    string | undefined,
    readonly string[],
  ])[] = [
    ['nobody', [virus], [], undefined, []],
    ['all refuse', [virus], [{}, {}], 'reject', ['reject', 'reject']],
    ['one takes it', [spam('reject')], [{}, off], undefined, ['quarantine', 'accept']],
    [
      'one wants it in Junk',
      [spam('reject')],
      [{}, { spam: 'junk' }, {}],
      undefined,
      ['quarantine', 'junk', 'quarantine'],
    ],
    ['one keeps it apart', [virus], [{}, { virus: 'quarantine' }], undefined, ['quarantine', 'quarantine']],
    ['the domains of two disagree', [dmarc('reject')], [{}, { dmarc: 'record' }], undefined, ['quarantine', 'accept']],
    ['all wait', [greylisted], [{}, {}], 'defer', ['defer', 'defer']],
    ['one does not wait', [greylisted], [{}, off], undefined, ['accept', 'accept']],
    ['one does not wait, and it is spam', [greylisted, spam('junk')], [{}, off], undefined, ['junk', 'accept']],
    [
      'some wait, others refuse',
      [greylisted, dmarc('reject')],
      [{}, { dmarc: 'record' }],
      'defer',
      ['reject', 'defer'],
    ],
    ['a scanner is waited for by all', [silent], [{}, off], 'defer', ['defer', 'defer']],
  ]
  for (const [what, findings, recipients, whole, expected] of table) {
    const decided = decide(withAll(findings, recipients))
    assert.equal(decided.whole, whole, what)
    assert.deepEqual(
      decided.decisions.map(({ action }) => action),
      expected,
      what,
    )
  }
  const [waited] = decide(withAll([greylisted], [{}, off])).decisions
  assert.match(waited!.reasons.join(), /greylist: it looks so,not put off, because other recipients take it/)
})

test('where somebody takes the message in any case, nobody is refused', () => {
  const decided = decide(withAll([virus], [{}]), true)
  assert.deepEqual([decided.whole, decided.decisions[0]!.action], [undefined, 'quarantine'])
  assert.match(decided.decisions[0]!.reasons.at(-1)!, /not refused/)
})
