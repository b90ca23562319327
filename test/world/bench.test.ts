// The bench runs, and its table has figures in it: ours alone, few messages.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

test('npm run bench measures', async () => {
  const options = ['--side', 'posthorn', '--n', '300', '--reps', '1', '--wait', '0', '--no-results', '--only', 'SORT']
  const { stdout } = await run(process.execPath, ['bench/run.mjs', 'imap', ...options], {
    cwd: root,
    timeout: 240_000,
  })
  for (const figure of ['SORT \\(SUBJECT\\) first, 300', 'SORT \\(FROM\\) again, 300'])
    assert.match(stdout, new RegExp(`^${figure} +[\\d.]+ (ms|/s) `, 'm'), stdout)
})

test('a phase that there is not is named', async () => {
  await assert.rejects(run(process.execPath, ['bench/run.mjs', 'speed'], { cwd: root }), {
    code: 2,
    stderr: /^bench: no phase speed; there are start, smtp,/,
  })
})
