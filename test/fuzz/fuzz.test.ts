// A short run of every fuzz target, and every crash ever found again. FUZZ_SECONDS: seconds per target (default 1).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attempt, mutate, seededRandom } from './engine.ts'
import { crashes, loadTarget, targetNames } from './targets.ts'

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 1)

for (const name of targetNames()) {
  test(`${name} stands seeds, old crashes and mutations`, async () => {
    const target = await loadTarget(name)
    assert.equal(target.name, name)
    const seeds = target.seeds()
    assert.ok(seeds.length > 0)
    for (const input of [...seeds, ...crashes(name)]) assert.equal(await attempt(target, input), undefined)
    const random = seededRandom(1)
    const end = performance.now() + seconds * 1000
    while (performance.now() < end) {
      const input = mutate(target, seeds, random)
      const error = await attempt(target, input)
      assert.equal(error, undefined, `${error?.stack}\non ${input.toString('base64').slice(0, 2000)}`)
    }
  })
}
