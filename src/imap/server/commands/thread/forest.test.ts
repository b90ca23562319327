// Threading on messages written as text: known trees, and what hostile ids make of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ThreadAlgorithm } from '../../../wire/index.ts'
import { type Forest, type ThreadInput, thread } from './forest.ts'

/** `id: refs | subject @ date`; a subject that begins with `re ` is a reply. */
function input(lines: readonly string[]): ThreadInput {
  const numbers = new Map<string, number>()
  const numberOf = (text: string) => {
    if (text === '') return 0
    const known = numbers.get(text)
    if (known !== undefined) return known
    numbers.set(text, numbers.size + 1)
    return numbers.size
  }
  const refs: number[] = []
  const starts = [0]
  const ids: number[] = []
  const subjects: number[] = []
  const replies: number[] = []
  const dates: number[] = []
  lines.forEach((line, i) => {
    const [head = '', date] = line.split('@')
    const [names = '', subject = ''] = head.split('|')
    const [id = '', list = ''] = names.split(':')
    ids.push(numberOf(id.trim()))
    for (const ref of list.trim().split(' ').filter(Boolean)) refs.push(numberOf(ref))
    starts.push(refs.length)
    const text = subject.trim()
    replies.push(text.startsWith('re ') ? 1 : 0)
    subjects.push(numberOf(text.startsWith('re ') ? text.slice(3) : text))
    dates.push(date === undefined ? i : Number(date))
  })
  return {
    count: lines.length,
    ids: Float64Array.from(ids),
    refs: Float64Array.from(refs),
    starts: Uint32Array.from(starts),
    subjects: Float64Array.from(subjects),
    replies: Uint8Array.from(replies),
    sentAt: Float64Array.from(dates),
  }
}

function run(messages: ThreadInput, algorithm: ThreadAlgorithm): Forest {
  const steps = thread(messages, algorithm)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

function write({ roots, count, firstChild, nextSibling }: Forest): string {
  const members = (node: number): string => {
    const children: number[] = []
    for (let at = firstChild[node]!; at !== -1; at = nextSibling[at]!) children.push(at)
    const own = node < count ? [String(node + 1)] : []
    if (children.length === 1) return [...own, members(children[0]!)].join(' ')
    return [...own, ...(children.length > 0 ? [children.map((child) => `(${members(child)})`).join('')] : [])].join(' ')
  }
  return roots.map((root) => `(${members(root)})`).join('')
}

const tables: readonly (readonly [string, ThreadAlgorithm, readonly string[], string])[] = [
  ['nothing', 'REFERENCES', [], ''],
  ['a chain', 'REFERENCES', ['a', 'b: a', 'c: a b'], '(1 2 3)'],
  ['branches', 'REFERENCES', ['a', 'b: a', 'c: a', 'd: a b'], '(1 (2 4)(3))'],
  ['children before their parent', 'REFERENCES', ['c: a b', 'b: a', 'a'], '(3 2 1)'],
  ['siblings by their dates', 'REFERENCES', ['a', 'b: a @9', 'c: a @5'], '(1 (3)(2))'],
  ['a missing parent of one', 'REFERENCES', ['b: a'], '(1)'],
  ['a missing parent of two', 'REFERENCES', ['b: a', 'c: a'], '((1)(2))'],
  ['a missing one in the middle', 'REFERENCES', ['a', 'c: a b', 'd: a b'], '(1 (2)(3))'],
  ['missing ones in a row', 'REFERENCES', ['x: p q r', 'y: p q', 'z: p'], '((1)(2)(3))'],
  ['a missing one below a missing one', 'REFERENCES', ['x: p q', 'y: p q'], '((1)(2))'],
  ['the last reference holds, whatever others say', 'REFERENCES', ['a', 'b', 'c: b', 'd: a c'], '(1)(2 3 4)'],
  ['others say it of a message without references', 'REFERENCES', ['a', 'b', 'c: a b'], '(1 2 3)'],
  ['but not those before it', 'REFERENCES', ['c: a b', 'a', 'b'], '(2)(3 1)'],
  ['one id twice', 'REFERENCES', ['a', 'a', 'b: a'], '(1 3)(2)'],
  ['no ids', 'REFERENCES', ['', '', ': x', ': x'], '(1)(2)((3)(4))'],
  ['itself', 'REFERENCES', ['a: a'], '(1)'],
  ['each other', 'REFERENCES', ['a: b', 'b: a'], '(2 1)'],
  ['a ring of three', 'REFERENCES', ['a: c', 'b: a', 'c: b'], '(3 1 2)'],
  ['a ring of references', 'REFERENCES', ['a: x y x y x'], '(1)'],
  ['threads by the date of their first', 'REFERENCES', ['a @9', 'b: a @1', 'c @5'], '(3)(1 2)'],
  ['a dummy by the date of its first child', 'REFERENCES', ['b: a @9', 'c: a @3', 'd @5'], '((2)(1))(3)'],
  // Step 5.
  ['one subject, a reply below what it replies to', 'REFERENCES', ['a | s', 'b | re s'], '(1 2)'],
  ['one subject, the reply came first', 'REFERENCES', ['b | re s', 'a | s'], '(2 1)'],
  ['one subject, no reply', 'REFERENCES', ['a | s', 'b | s', 'c | s'], '((1)(2)(3))'],
  ['one subject, all replies', 'REFERENCES', ['a | re s', 'b | re s'], '((1)(2))'],
  ['no subject is none', 'REFERENCES', ['a |', 'b |'], '(1)(2)'],
  ['a dummy takes those of its subject', 'REFERENCES', ['a: x | s', 'b: x | s', 'c | s'], '((1)(2)(3))'],
  ['two dummies of one subject', 'REFERENCES', ['a: x | s', 'b: x | s', 'c: y | s', 'd: y | s'], '((1)(2)(3)(4))'],
  ['another subject within a thread', 'REFERENCES', ['a | s', 'b: a | t', 'c | t'], '(1 2)(3)'],
  // No subjects, and the thread of the newest message last.
  ['subjects do not count', 'REFS', ['a | s', 'b | re s'], '(1)(2)'],
  ['the newest thread last', 'REFS', ['a', 'b', 'c: a'], '(2)(1 3)'],
  ['its newest may stand anywhere', 'REFS', ['a @1', 'b: a @9', 'c @7', 'd: a @5'], '(3)(1 (4)(2))'],
  ['ties by the first message', 'REFS', ['b: a @9', 'c @9', 'a @1'], '(2)(3 1)'],
  ['a dummy by its newest', 'REFS', ['a: x', 'b', 'c: x'], '(2)((1)(3))'],
  ['by subject', 'ORDEREDSUBJECT', ['a | s @3', 'b | t', 'c | re s @9', 'd | s @1'], '(2)(4 (1)(3))'],
  ['by subject, a pair', 'ORDEREDSUBJECT', ['a | s', 'b | s', 'c |', 'd |'], '(1 2)(3 4)'],
]
for (const [name, algorithm, lines, tree] of tables)
  test(`${algorithm}: ${name}`, () => assert.equal(write(run(input(lines), algorithm)), tree))

test('a thread as deep as the mailbox, and the other way round, takes linear time', () => {
  const count = 20_000
  const down = Array.from({ length: count }, (_, i) => (i === 0 ? 'm0' : `m${i}: m${i - 1}`))
  const up = [...down].reverse()
  for (const lines of [down, up]) {
    const began = performance.now()
    const forest = run(input(lines), 'REFERENCES')
    assert.equal(forest.roots.length, 1)
    assert.ok(performance.now() - began < 2000)
  }
})

test('every message is in the answer once, whatever the ids say', () => {
  let state = 7
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * below)
  }
  for (let round = 0; round < 300; round++) {
    const lines = Array.from({ length: random(30) }, () => {
      const refs = Array.from({ length: random(5) }, () => `n${random(20)}`)
      return `n${random(20)}: ${refs.join(' ')} | ${random(2) ? 're ' : ''}s${random(6)} @${random(9)}`
    })
    for (const algorithm of ['REFERENCES', 'REFS', 'ORDEREDSUBJECT'] as const) {
      const text = write(run(input(lines), algorithm))
      const numbers = [...text.matchAll(/\d+/g)].map(Number).sort((a, b) => a - b)
      assert.deepEqual(
        numbers,
        lines.map((_, i) => i + 1),
        `${algorithm} of\n${lines.join('\n')}`,
      )
    }
  }
})
