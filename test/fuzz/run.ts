// npm run fuzz [target] [seconds]: mutates the corpus of each target (default: all, 60 s each) and reports what broke, the speed and
// the line coverage. The loop runs in a worker; an input on which it hangs is saved by this thread.
//
// To add a target write `test/fuzz/targets/<name>.ts` with `export const target: Target = { name, files, tokens, seeds, run }`
// (engine.ts says what each is). Crashes are saved as `test/corpus/<name>/crash-*`; `fuzz.test.ts` replays them for ever.

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type FileCoverage, startCoverage } from './coverage.ts'
import { attempt, MAX_INPUT, mutate, seededRandom } from './engine.ts'
import { corpusFolder, crashes, loadTarget, projectFolder, targetNames } from './targets.ts'

/** A run stops after so many different errors: more of them help nobody. */
const MAX_FOUND = 10
const HANG_MS = 15_000
const WANTED_COVERAGE = 0.9

interface Job {
  readonly name: string
  readonly seconds: number
  readonly seed: number
  /** [length, count of inputs], then the input that is running. */
  readonly shared: SharedArrayBuffer
}
interface Result {
  readonly inputs: number
  readonly seconds: number
  readonly found: readonly { readonly error: string; readonly input: Uint8Array }[]
  readonly coverage: readonly FileCoverage[]
}

async function fuzz({ name, seconds, seed, shared }: Job): Promise<Result> {
  const coverage = startCoverage()
  const target = await loadTarget(name)
  const pool = [...target.seeds(), ...crashes(name)]
  const random = seededRandom(seed)
  const state = new Int32Array(shared, 0, 2)
  const current = Buffer.from(shared, 8)
  const found = new Map<string, Uint8Array>()
  const start = performance.now()
  let inputs = 0
  for (; found.size < MAX_FOUND && performance.now() - start < seconds * 1000; inputs++) {
    const input = pool[inputs] ?? mutate(target, pool, random)
    input.copy(current)
    state[0] = Math.min(input.length, MAX_INPUT)
    const error = await attempt(target, input)
    Atomics.add(state, 1, 1)
    if (error) found.set((error.stack ?? error.message).split('\n').slice(0, 4).join('\n'), Buffer.from(input))
  }
  return {
    inputs,
    seconds: (performance.now() - start) / 1000,
    found: [...found].map(([error, input]) => ({ error, input })),
    coverage: coverage(projectFolder, target.files),
  }
}

/** Runs the job in a worker; undefined when it hung. */
function runJob(job: Job): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(import.meta.filename, { workerData: job })
    const state = new Int32Array(job.shared, 0, 2)
    let before = -1
    const watch = setInterval(() => {
      if (state[1] === before && before > 0) {
        void worker.terminate()
        resolve(undefined)
      }
      before = state[1]!
    }, HANG_MS)
    worker.on('message', resolve)
    worker.on('error', reject)
    worker.on('exit', () => clearInterval(watch))
  })
}

function save(name: string, input: Uint8Array): string {
  mkdirSync(corpusFolder(name), { recursive: true })
  const path = join(corpusFolder(name), `crash-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`)
  writeFileSync(path, input)
  return path
}

/** Whether the target came through. */
async function report(name: string, seconds: number, seed: number): Promise<boolean> {
  const shared = new SharedArrayBuffer(8 + MAX_INPUT)
  const result = await runJob({ name, seconds, seed, shared })
  if (!result) {
    const size = new Int32Array(shared, 0, 1)[0]!
    console.log(`${name}: HANGS on ${save(name, Buffer.from(Buffer.from(shared, 8, size)))} (seed ${seed})`)
    return false
  }
  const lines = result.coverage.reduce((sum, file) => sum + file.lines, 0)
  const covered = result.coverage.reduce((sum, file) => sum + file.covered, 0)
  const rate = Math.round(result.inputs / result.seconds)
  const share = ((covered / lines) * 100).toFixed(1)
  console.log(`${name}: ${result.inputs} inputs, ${rate}/s, ${share} % of ${lines} lines, seed ${seed}`)
  for (const { file, missed } of result.coverage)
    if (missed.length > 0) console.log(`  ${file}: not reached: ${missed.join(' ')}`)
  for (const { error, input } of result.found) console.log(`  FOUND ${save(name, input)}\n  ${error}`)
  return result.found.length === 0 && covered / lines >= WANTED_COVERAGE
}

if (isMainThread) {
  const [first, second] = process.argv.slice(2)
  const seconds = Number(second ?? (Number(first) > 0 ? first : 60))
  const names = first === undefined || Number(first) > 0 ? targetNames() : [first]
  let clean = true
  for (const name of names) clean = (await report(name, seconds, Date.now() % 1e9)) && clean
  process.exitCode = clean ? 0 : 1
} else parentPort!.postMessage(await fuzz(workerData as Job))
