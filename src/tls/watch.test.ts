// Certificate files that change under us: noticed within a minute, taken whole or not at all.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeClock, isFault, silentLog } from '../base/index.ts'
import type { FileCertificates } from './certificates.ts'
import { createSelfSigned } from './self-signed.ts'
import { watchFiles } from './watch.ts'

test('a changed file is taken within a minute, a broken one keeps the old and is named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-watch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const clock = fakeClock(Date.now())
  const files = { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') }
  const write = (name: string) => {
    const made = createSelfSigned([name], clock.now())
    writeFileSync(files.cert, made.cert)
    writeFileSync(files.key, made.key)
    return made
  }
  const first = write('one.test')
  const told: FileCertificates[] = []
  const source = { hostname: 'h.test', folder: join(folder, 'own'), more: [files] }
  const watched = watchFiles({ source, changed: (found) => told.push(found), clock, log: silentLog })
  await clock.advance(180_000)
  assert.equal(told.length, 0)
  assert.equal(watched.current.others[0]!.cert, first.cert)

  const second = write('two.test')
  await clock.advance(60_000)
  assert.equal(told.length, 1)
  assert.equal(watched.current.others[0]!.cert, second.cert)

  // Half of a renewal: the certificate is there, its key not yet.
  const third = createSelfSigned(['three.test'], clock.now())
  writeFileSync(files.cert, third.cert)
  await clock.advance(60_000)
  assert.match(watched.problem()!, /c\.pem and .*k\.pem do not serve: the key does not belong/)
  assert.equal(watched.current.others[0]!.cert, second.cert)
  writeFileSync(files.key, third.key)
  await clock.advance(60_000)
  assert.equal(watched.problem(), undefined)
  assert.equal(told.at(-1)!.others[0]!.cert, third.cert)

  rmSync(files.key)
  await clock.advance(60_000)
  assert.match(watched.problem()!, /cannot read .*k\.pem: there is no such file/)
  assert.equal(told.length, 2)
  assert.throws(
    () => watched.use(source),
    (error) => isFault(error, 'invalid'),
  )
  watched.stop()
  writeFileSync(files.key, third.key)
  await clock.advance(120_000)
  assert.equal(told.length, 2)
})
