// The gate: everything that must hold, in the order in which it fails fastest. Plain JavaScript for any Node; the tests run on the pinned one.
//   npm test            small counts, at most 12 minutes        npm run test:full   the counts that the issues name
//   npm run check       types, lint, house and unit tests only   node scripts/test.mjs NAME…   only the groups so named

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const bin = join(root, 'node_modules', '.bin')
const node = existsSync(join(bin, 'node')) ? join(bin, 'node') : process.execPath
const args = process.argv.slice(2)
const full = args.includes('--full')
const quick = args.includes('--check')
const only = args.filter((arg) => !arg.startsWith('--'))

const tests = (name, patterns, options = {}) => ({
  name,
  ...options,
  command: [node, '--test', '--test-reporter=spec', `--test-concurrency=${options.concurrency ?? 2}`, ...patterns],
})
const groups = [
  { name: 'types', command: [node, 'node_modules/typescript-7/bin/tsc', '-p', '.'], quick: true },
  { name: 'lint', command: [join(bin, 'biome'), 'check', '--error-on-warnings', '.'], quick: true },
  { name: 'lock file', command: ['npm', 'ci', '--dry-run', '--ignore-scripts', '--no-audit', '--loglevel=error'] },
  tests('house', ['test/*.test.ts'], { quick: true }),
  tests('unit', ['src/**/*.test.ts'], { quick: true, concurrency: 3 }),
  tests('transcripts', ['test/transcripts/**/*.test.ts']),
  // Much of it waits.
  tests('world', ['test/world/**/*.test.ts'], { concurrency: 4 }),
  // What measures the server's size or the machine's time runs alone.
  tests('alone', ['test/alone/**/*.test.ts', 'test/hostile/**/*.test.ts'], { concurrency: 1 }),
  tests('interop', ['test/interop/**/*.test.ts']),
  tests('crash', ['test/crash/**/*.test.ts'], { concurrency: 2 }),
  tests('fuzz', ['test/fuzz/**/*.test.ts']),
]

/** Data folders with the people of the tests, made once. */
const kept = mkdtempSync(join(tmpdir(), 'posthorn-kept-'))

/** Runs one group with its output shown; answers its exit code and what Node's runner counted. */
function run(group) {
  return new Promise((done) => {
    const [command, ...rest] = group.command
    const env = {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      POSTHORN_FULL: full ? '1' : '',
      // Each file of tests is a process of its own: they need not all compile the same modules.
      NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'tests'),
      TEST_KEPT: kept,
      FORCE_COLOR: process.stdout.isTTY ? '1' : '0',
    }
    const child = spawn(command, rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const counts = { pass: 0, fail: 0, skipped: 0 }
    let tail = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      tail = (tail + chunk).slice(-4000)
    })
    child.on('error', (error) => done({ code: 1, counts, error }))
    child.on('close', (code) => {
      for (const key of Object.keys(counts)) counts[key] = Number(new RegExp(`ℹ ${key} (\\d+)`).exec(tail)?.[1] ?? 0)
      done({ code: code ?? 1, counts })
    })
  })
}

process.on('exit', () => rmSync(kept, { recursive: true, force: true }))
const total = { pass: 0, fail: 0, skipped: 0 }
const failed = []
const started = Date.now()
for (const group of groups) {
  if (only.length > 0 ? !only.includes(group.name) : quick && !group.quick) continue
  const since = Date.now()
  console.log(`\n── ${group.name}`)
  const { code, counts, error } = await run(group)
  if (error) console.log(String(error))
  // Types, lint and the lock file are one check each.
  const plain = counts.pass + counts.fail + counts.skipped === 0
  total.pass += plain && code === 0 ? 1 : counts.pass
  total.fail += plain && code !== 0 ? 1 : counts.fail
  total.skipped += counts.skipped
  if (code !== 0) failed.push(group.name)
  console.log(
    `── ${group.name}: ${code === 0 ? 'ok' : `FAILED (exit ${code})`} in ${((Date.now() - since) / 1000).toFixed(1)} s`,
  )
}
console.log(
  `\n${failed.length === 0 ? 'All groups hold' : `Failed: ${failed.join(', ')}`} after ${((Date.now() - started) / 1000).toFixed(0)} s${full ? ' with full counts' : ''}.`,
)
console.log(`${total.pass} passed, ${total.fail} failed, ${total.skipped} skipped`)
process.exitCode = failed.length === 0 ? 0 : 1
