// MTA-STS: records, policies and hosts as tables.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatStsPolicy, isStsHost, parseStsPolicy, parseStsRecord } from './mtasts.ts'

test('the record gives its id; what is not right or not alone announces nothing', () => {
  const table: [texts: string[], id: string | undefined][] = [
    [['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
    [['v=STSv1;id=a'], 'a'],
    [['v=STSv1 ;\tid=a1 ; '], 'a1'],
    [['v=STSv1; x-ext.1=!value; id=b'], 'b'],
    [['v=spf1 -all', 'v=STSv1; id=a', 'v=STSv12; id=z'], 'a'],
    [[], undefined],
    [['v=STSv1'], undefined],
    [['v=STSv1;'], undefined],
    [['v=STSv1; id='], undefined],
    [['v=STSv1; id=a-b'], undefined],
    [['v=STSv1; id=a b'], undefined],
    [['v=stsv1; id=a'], undefined],
    [[' v=STSv1; id=a'], undefined],
    [['id=a; v=STSv1'], undefined],
    [['v=STSv1; ID=a'], undefined],
    [['v=STSv1; id=a; id=b'], undefined],
    [['v=STSv1; id=a; ; x=y'], undefined],
    [['v=STSv1; id=a; x=y=z'], undefined],
    [['v=STSv1; id=a; noequals'], undefined],
    [[`v=STSv1; id=${'a'.repeat(33)}`], undefined],
    [[`v=STSv1; id=a; x=${'y'.repeat(2_000)}`], undefined],
    [['v=STSv1; id=a', 'v=STSv1; id=b'], undefined],
    [['v=STSv1; id=ä'], undefined],
  ]
  for (const [texts, id] of table) assert.equal(parseStsRecord(texts), id, texts.join(' | '))
})

const lines = (...all: string[]) => all.join('\n')

test('a policy is read by its grammar, with LF or CRLF, its last line with or without an end', () => {
  const policy = { mode: 'enforce', maxAge: 604_800, mx: ['mx1.example.com', '*.example.net'] }
  const text = ['version: STSv1', 'mode: enforce', 'mx: MX1.example.com', 'mx:*.example.net \t', 'max_age: 604800']
  for (const written of [text.join('\n'), text.join('\r\n'), `${text.join('\n')}\n`, `${text.join('\r\n')}\r\n`])
    assert.deepEqual(parseStsPolicy(written), policy, JSON.stringify(written))
  const order = ['max_age: 604800', 'mx: mx1.example.com', 'x-new.key: words: and ünïcode', ...text.slice(3, 4)]
  assert.deepEqual(parseStsPolicy(lines(...order, 'mode: enforce', 'mode: none', 'version: STSv1')), policy)
  assert.deepEqual(parseStsPolicy('version: STSv1\nmode: none\nmax_age: 0'), { mode: 'none', maxAge: 0, mx: [] })
  const long = parseStsPolicy('version: STSv1\nmode: testing\nmx: a.test\nmax_age: 9999999999')
  assert.equal('maxAge' in long && long.maxAge, 31_557_600)
})

test('what is no policy is none, and its problem is named', () => {
  const good = ['version: STSv1', 'mode: enforce', 'mx: a.test', 'max_age: 1']
  const without = (key: string) => lines(...good.filter((line) => !line.startsWith(key)))
  const table: [text: string, problem: RegExp][] = [
    ['', /version/],
    ['<html>', /no line/],
    [without('version'), /version/],
    [without('mode'), /mode/],
    [without('mx'), /no mx/],
    [without('max_age'), /max_age/],
    [lines('version: STSv2', ...good.slice(1)), /version/],
    [lines(...good.slice(0, 1), 'mode: Enforce', ...good.slice(2)), /mode/],
    [lines(...good.slice(0, 3), 'max_age: -1'), /max_age/],
    [lines(...good.slice(0, 3), 'max_age: 1e3'), /max_age/],
    [lines(...good.slice(0, 3), 'max_age: 99999999999'), /max_age/],
    [lines(...good, 'mx: *'), /no host/],
    [lines(...good, 'mx: *.*.a.test'), /no host/],
    [lines(...good, 'mx: a.*.test'), /no host/],
    [lines(...good, 'mx: a..test'), /no host/],
    [lines(...good, 'mx: a.test.'), /no host/],
    [lines(...good, 'mx: ä.test'), /no host/],
    [lines(...good, 'mx:'), /no host/],
    [lines(...good, ''), undefined as never],
    [lines(...good, '', 'x: y'), /no line/],
    [lines(...good, 'bad key: y'), /no line/],
    [lines(...good, 'x: \x01'), /no line/],
    [lines(...good, `mx: ${'a'.repeat(64)}.test`), /no host/],
    [lines(...good, ...Array<string>(1_001).fill('mx: a.test')), /more than/],
  ]
  for (const [text, problem] of table) {
    const found = parseStsPolicy(text)
    if (problem) assert.match('problem' in found ? found.problem : 'none', problem, text.slice(0, 100))
    else assert.ok(!('problem' in found), text)
  }
})

test('MX spoofed: a wildcard names hosts of one label more, and nothing else', () => {
  const mx = ['mx.a.test', '*.b.test']
  const table: [host: string, is: boolean][] = [
    ['mx.a.test', true],
    ['MX.A.test', true],
    ['mx.b.test', true],
    ['b.test', false],
    ['x.mx.b.test', false],
    ['x.mx.a.test', false],
    ['evilb.test', false],
    ['.b.test', false],
    ['*.b.test', true],
    ['mx.a.test.evil.test', false],
    ['test', false],
    ['', false],
  ]
  for (const [host, is] of table) assert.equal(isStsHost({ mx }, host), is, host)
})

test('a policy of ours is one, and its id changes with it', () => {
  const policy = { mode: 'testing', maxAge: 86_400, mx: ['mx.a.test', '*.b.test'] } as const
  const { text, id } = formatStsPolicy(policy)
  assert.deepEqual(parseStsPolicy(text), policy)
  assert.equal(parseStsRecord([`v=STSv1; id=${id}`]), id)
  assert.equal(formatStsPolicy(policy).id, id)
  assert.notEqual(formatStsPolicy({ ...policy, mode: 'enforce' }).id, id)
})
