import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../address/index.ts'
import type { Recipient } from './batch.ts'
import { readHopLimits, takeGroup } from './hop-limits.ts'

const of = (argument: string) => readHopLimits(new Map([['LIMITS', argument]]))
const none = { recipients: Infinity, domains: Infinity, messages: Infinity }

test('LIMITS as hosts write it', () => {
  assert.deepEqual(readHopLimits(new Map()), none)
  const table: readonly [string, object][] = [
    ['RCPTMAX=3 MAILMAX=20', { recipients: 3, messages: 20 }],
    ['rcptdomainmax=1', { domains: 1 }],
    ['OTHER=3 RCPTMAX=10', { recipients: 10 }],
    ['RCPTMAX=0 MAILMAX=-1 RCPTDOMAINMAX=x', {}],
    ['RCPTMAX=9999999 MAILMAX= =5 MAILMAX', {}],
    ['', {}],
  ]
  for (const [text, expected] of table) assert.deepEqual(of(text), { ...none, ...expected }, text)
})

test('a group keeps to the number of recipients and of domains', () => {
  const people = ['a@x.test', 'b@x.test', 'c@y.test', 'd@x.test'].map(
    (text) => ({ address: parseAddress(text)! }) as Recipient,
  )
  const take = (argument: string) => takeGroup(people, of(argument)).length
  assert.deepEqual(
    [take(''), take('RCPTMAX=1'), take('RCPTMAX=3'), take('RCPTDOMAINMAX=1'), take('RCPTDOMAINMAX=2')],
    [4, 1, 3, 2, 4],
  )
})
