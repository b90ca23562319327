// The control socket over a real Unix socket in a temporary folder.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Fault, isFault, silentLog } from '../base/index.ts'
import { connectControl, controlPath, serveControl } from './control.ts'

const services = {
  math: {
    add: async (a: number, b: number) => a + b,
    nothing: async () => undefined,
    refuse: async () => {
      throw new Fault('exists', 'it is there already')
    },
    break: async () => {
      throw new Error('the inner words')
    },
  },
}

async function withServer(folder: string, work: (path: string) => Promise<void>) {
  const path = controlPath(folder)
  const server = await serveControl(path, services, silentLog)
  try {
    await work(path)
  } finally {
    await server.stop()
  }
}

test('commands are answered, faults arrive as faults, the server’s own words stay inside', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-control-'))
  writeFileSync(controlPath(folder), 'a leftover')
  await withServer(folder, async (path) => {
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const control = await connectControl(path)
    const math = control!.service<typeof services.math>('math')
    assert.deepEqual(await Promise.all([math.add(1, 2), math.add(3, 4)]), [3, 7])
    assert.equal(await math.nothing(), undefined)
    await assert.rejects(math.refuse(), (error) => isFault(error, 'exists') && error.message === 'it is there already')
    await assert.rejects(math.break(), (error) => isFault(error, 'internal') && !error.message.includes('inner'))
    await assert.rejects(control!.service<{ toString(): Promise<void> }>('nobody').toString(), (e) => isFault(e))
    control!.close()
  })
  assert.equal(await connectControl(controlPath(folder)), undefined)
  rmSync(folder, { recursive: true })
})

test('a folder whose path is longer than a socket address may be works all the same', {
  skip: process.platform !== 'linux',
}, async () => {
  const root = mkdtempSync(join(tmpdir(), 'posthorn-control-'))
  const folder = join(root, 'a'.repeat(120))
  mkdirSync(folder)
  await withServer(folder, async (path) => {
    const control = await connectControl(path)
    assert.equal(await control!.service<typeof services.math>('math').add(20, 22), 42)
    control!.close()
  })
  rmSync(root, { recursive: true })
})
