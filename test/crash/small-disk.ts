// A disk of a few megabytes at a folder, for the processes that are started on it alone: a tmpfs in a mount namespace of its own. It goes
// with its keeper, a shell that ends with the test.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../server.ts'

export interface SmallDisk {
  /** Where it is, for whoever is started by `by`. */
  readonly folder: string
  readonly by: readonly string[]
  resize(megabytes: number): Promise<void>
  /** Bytes that are free. */
  free(): Promise<number>
}

/** Makes the disk, or tells why it cannot be made; it goes with the test. */
export async function makeSmallDisk(
  t: { after(fn: () => Promise<void>): void },
  megabytes: number,
): Promise<SmallDisk | { readonly skip: string }> {
  if (process.getuid?.() !== 0) return { skip: 'only root can mount' }
  if ((await run('unshare', ['--mount', 'true'])).code !== 0) return { skip: 'namespaces are not allowed here' }
  const above = mkdtempSync(join(tmpdir(), 'posthorn-disk-'))
  const folder = join(above, 'disk')
  mkdirSync(folder)
  const mount = `mount -t tmpfs -o size=${megabytes}m,mode=755 posthorn-disk ${folder} && echo made && exec cat`
  const args = ['--pdeathsig=KILL', 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', mount]
  const keeper = spawn('setpriv', args)
  t.after(async () => {
    await end(keeper)
    rmSync(above, { recursive: true })
  })
  const made = await new Promise((done) => {
    keeper.stdout.once('data', () => done(true))
    keeper.once('close', () => done(false))
  })
  if (!made) return { skip: 'a tmpfs cannot be mounted' }
  const by = ['nsenter', '--mount', '--target', `${keeper.pid}`, '--']
  const say = async (...command: string[]) => {
    const ran = await run(by[0]!, [...by.slice(1), ...command])
    if (ran.code !== 0) throw new Error(`${command.join(' ')}: ${ran.stderr}`)
    return ran.stdout
  }
  return {
    folder,
    by,
    async resize(size) {
      await say('mount', '-o', `remount,size=${size}m`, folder)
    },
    free: async () => Number((await say('df', '--block-size=1', '--output=avail', folder)).split('\n')[1]),
  }
}

async function end(keeper: ChildProcessWithoutNullStreams): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return
  const ended = new Promise((done) => keeper.once('close', done))
  keeper.stdin.end()
  await ended
}
