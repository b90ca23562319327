// What a start does not load: it is the business of the first who needs it.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

/** Modules of Node, files of ours and packages that a process has loaded after `modules` of this folder. */
function loadedWith(...modules: string[]): string[] {
  const script = `
    const { registerHooks } = process.getBuiltinModule('module')
    const seen = []
    registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) })
    for (const name of ${JSON.stringify(modules)}) await import(${JSON.stringify(import.meta.dirname)} + '/' + name)
    console.log(JSON.stringify([...seen, ...process.moduleLoadList]))
    process.exit()`
  const child = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
  return JSON.parse(child.trim().split('\n').at(-1)!)
}

const later = [
  /^NativeModule (https?|http2|_http_\w+|zlib|internal\/deps\/undici\/undici)$/,
  /\/node_modules\/(fastify|prom-client|pg|commander|mailauth|openpgp)\//,
  /\/src\/(mailauth|pgp|webhooks|filters\/(set|clamav|spamassassin|rspamd|milter\.ts|dnsbl|classifier)|http\/server\/(app|door)\.ts)/,
  /\/src\/store\/postgres\/open\.ts/,
]

for (const [thread, ...modules] of [
  ['core', 'run.ts', 'serve.ts'],
  ['doors', 'compose-doors.ts'],
] as const)
  test(`the ${thread} starts without HTTP, PostgreSQL and whatever waits for its first user`, () => {
    const loaded = loadedWith(...modules)
    assert.ok(loaded.some((name) => name.endsWith(join('store', 'index.ts'))))
    const early = loaded.filter((name) => later.some((one) => one.test(name)))
    assert.deepEqual(early, [])
  })
