// Figures of the tests that measure latency.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

/** Prints p50 and max, and holds nine of ten under 100 ms: one slow round is forgiven on a shared machine. */
export function report(t: TestContext, what: string, times: number[]): void {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!
  t.diagnostic(`${what}: seen after p50 ${at(0.5).toFixed(1)} ms, max ${at(1).toFixed(1)} ms`)
  assert.ok(at(0.9) < 100, `${what}: ${times.map((ms) => ms.toFixed(0))}`)
}
