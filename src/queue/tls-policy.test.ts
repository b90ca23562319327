// Which demand goes before which: a table of rows that are read from above, against every combination there is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sts } from './sts.ts'
import { decideTls, keepsDemand, type TlsDemand, type TlsLevel, type TlsRefusal } from './tls-policy.ts'

const wishes = ['required', 'optional', 'none'] as const
const words = ['none', 'may', 'encrypt', 'verify', '-'] as const
const danes = ['none', 'failed', 'unusable', 'usable'] as const
const policies = ['none', 'failed', 'off', 'testing', 'testing-other', 'enforce', 'enforce-other'] as const
const names = ['signed', 'open'] as const

const host = 'mx.a.test'
const policy = (mode: 'enforce' | 'testing' | 'none', mx: string): Sts => ({
  state: 'policy',
  policy: { mode, maxAge: 1, mx: [mx] },
  lines: [],
})
const stsOf: { readonly [K in (typeof policies)[number]]: Sts } = {
  none: { state: 'none' },
  failed: { state: 'failed', words: 'gone' },
  off: policy('none', host),
  testing: policy('testing', host),
  'testing-other': policy('testing', 'other.test'),
  enforce: policy('enforce', host),
  'enforce-other': policy('enforce', 'other.test'),
}
const daneOf = {
  none: { state: 'none' },
  failed: { state: 'failed', words: 'bogus' },
  unusable: { state: 'unusable', base: host, records: [], published: [] },
  usable: { state: 'usable', base: host, records: [], published: [] },
} as const

/** wish, operator, DANE, MTA-STS, MX record → level or refusal, and what reports call it. The first row that fits decides; `*` fits all, `a|b` both. */
const table = `
required  *            *         *                       signed  as none
required  *            *         testing|enforce         open    as none
required  *            *         failed                  open    later      no-policy-found
required  *            *         *                       open    never      no-policy-found
*         none         *         *                       *       none       no-policy-found
*         may          *         *                       *       may        no-policy-found
optional  -            *         *                       *       may        no-policy-found
optional  encrypt      *         *                       *       encrypt    no-policy-found
optional  verify       *         *                       *       pkix       no-policy-found
none      *            failed    *                       *       later      tlsa
none      *            usable    *                       *       dane       tlsa
none      verify       unusable  *                       *       pkix       tlsa
none      *            unusable  *                       *       encrypt    tlsa
none      *            none      enforce-other           *       later      sts
none      *            none      enforce                 *       pkix       sts
none      -            none      testing|testing-other   *       may        sts
none      encrypt      none      testing|testing-other   *       encrypt    sts
none      verify       none      testing|testing-other   *       pkix       sts
none      -            none      none|failed|off         *       may        no-policy-found
none      encrypt      none      none|failed|off         *       encrypt    no-policy-found
none      verify       none      none|failed|off         *       pkix       no-policy-found
`
  .trim()
  .split('\n')
  .map((line) => line.split(/ +/))

type Combination = readonly [string, string, string, string, string]
function expected(given: Combination): string {
  const row = table.find((cells) => given.every((value, i) => cells[i] === '*' || cells[i]!.split('|').includes(value)))
  assert.ok(row, `no row for ${given.join(' ')}`)
  if (row[5] === 'as') return expected([row[6]!, ...given.slice(1)] as unknown as Combination)
  return `${row[5]} ${row[6]}`
}

const show = (found: TlsDemand | TlsRefusal) =>
  `${'refused' in found ? (found.permanent ? 'never' : 'later') : found.level} ${found.policy}`

const all = wishes.flatMap((wish) =>
  words.flatMap((word) =>
    danes.flatMap((dane) => policies.flatMap((sts) => names.map((name) => ({ wish, word, dane, sts, name }) as const))),
  ),
)
const decide = ({ wish, word, dane, sts, name }: (typeof all)[number]) =>
  decideTls({
    domain: 'a.test',
    host,
    wish,
    word: word === '-' ? undefined : word,
    dane: daneOf[dane],
    sts: stsOf[sts],
    listed: ['off', 'testing', 'enforce'].includes(sts),
    named: name === 'signed',
  })

test('every combination of wish, operator, DANE, MTA-STS and MX record', () => {
  assert.equal(all.length, 840)
  for (const one of all) {
    const { wish, word, dane, sts, name } = one
    assert.equal(show(decide(one)), expected([wish, word, dane, sts, name]), Object.values(one).join(' '))
  }
  for (const row of table)
    assert.ok(
      all.some(({ wish, word, dane, sts, name }) => {
        const given = [wish, word, dane, sts, name]
        return (
          table.find((cells) => given.every((v, i) => cells[i] === '*' || cells[i]!.split('|').includes(v))) === row
        )
      }),
      `no combination has the row ${row.join(' ')}`,
    )
})

test('what must never be, whatever the table says: downgrade', () => {
  const level = (found: TlsDemand | TlsRefusal): TlsLevel | 'refused' => ('refused' in found ? 'refused' : found.level)
  const weak = new Set(['none', 'may'])
  for (const one of all) {
    const { wish, word, dane, sts } = one
    const found = level(decide(one))
    const what = Object.values(one).join(' ')
    const operatorLetsGo = word === 'none' || word === 'may'
    // DANE that fails is not helped by MTA-STS that would do, and records are never less than encryption.
    if (dane === 'failed' && wish !== 'optional' && !operatorLetsGo) assert.equal(found, 'refused', what)
    if (dane === 'usable' && wish !== 'optional' && !operatorLetsGo)
      assert.ok(found === 'dane' || found === 'refused', what)
    if (dane !== 'none' && wish !== 'optional' && !operatorLetsGo) assert.ok(!weak.has(found), what)
    if (sts.startsWith('enforce') && wish !== 'optional' && !operatorLetsGo) assert.ok(!weak.has(found), what)
    if (word === 'verify') assert.ok(!weak.has(found) && found !== 'encrypt', what)
    if (word === 'encrypt') assert.ok(!weak.has(found), what)
    // TLS-Required: No waits for nobody.
    if (wish === 'optional') assert.notEqual(found, 'refused', what)
    // Testing stops nothing that would go without it.
    if (sts.startsWith('testing') && wish !== 'required')
      assert.equal(found, level(decide({ ...one, sts: 'none' })), what)
  }
})

test('a connection serves a message only when it keeps what that demands, whatever it was opened for', () => {
  const plain = {}
  const unknown = { tls: { authorized: false, flaw: {} } }
  const trusted = { tls: { authorized: true } }
  const named = { tls: { authorized: true, flaw: {} }, records: 'r' }
  const both = { tls: { authorized: true }, records: 'r' }
  const connections = { plain, unknown, trusted, named, both }
  const keeps: Record<TlsLevel, readonly (keyof typeof connections)[]> = {
    none: ['plain'],
    may: ['plain', 'unknown', 'trusted', 'named', 'both'],
    encrypt: ['unknown', 'trusted', 'named', 'both'],
    pkix: ['trusted', 'both'],
    dane: ['named', 'both'],
  }
  for (const [level, right] of Object.entries(keeps) as [TlsLevel, readonly string[]][])
    for (const [name, shown] of Object.entries(connections)) {
      const demand = { level, by: '', policy: 'tlsa' } as const
      assert.equal(keepsDemand(demand, shown, 'r'), right.includes(name), `${level} ${name}`)
      // Other records by now: it is judged anew.
      if (level === 'dane') assert.equal(keepsDemand(demand, shown, 'other'), false)
    }
})
