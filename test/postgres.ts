// A PostgreSQL server of our own for tests: Debian's binaries, private folder and port, started by hand and stopped by pid.
// Durable as we demand of it (fsync stays on), but in memory where there is room: its tests kill processes, and cut no power.
// Databases are copied from the template, a few milliseconds each.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

export interface Postgres {
  /** The URL of a new empty database, or of the named one. */
  url(database?: string): Promise<string>
  stop(): Promise<void>
}

/** Starts the server, or tells why it cannot be. One per test process: stop it in `after`. */
export async function startPostgres(): Promise<Postgres | { readonly skip: string }> {
  const bin = findBinaries()
  if (!bin) return { skip: 'PostgreSQL is not installed (apt-get install postgresql)' }
  const owner = await ownerOf()
  if (!owner) return { skip: 'PostgreSQL does not run as root, and there is no user postgres' }
  const folder = mkdtempSync(join(findRoom(), 'posthorn-postgres-'))
  if (owner.as.length > 0) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const [command, ...before] = [...owner.as, join(bin, 'initdb')]
  await run(command!, [...before, '-D', data, '-U', 'posthorn', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], {
    cwd: folder,
  })
  const port = await freePort()
  const server = start(owner.as, bin, data, folder, port)
  const admin = `postgres://posthorn@127.0.0.1:${port}/postgres`
  await untilReady(admin, server)
  let next = 0
  return {
    async url(database) {
      const name = database ?? `test_${++next}`
      if (!database) await query(admin, `CREATE DATABASE ${name}`)
      return `postgres://posthorn@127.0.0.1:${port}/${name}`
    },
    async stop() {
      if (server.exitCode === null && server.signalCode === null) {
        server.ref()
        const ended = new Promise((resolve) => server.once('exit', resolve))
        server.kill('SIGQUIT')
        await ended
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A server of a test takes about 100 MB, and its log at most 256. */
const room = 2 ** 31

function findRoom(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (bavail * bsize >= room) return '/dev/shm'
  } catch {
    // Not a Linux with a file system in memory.
  }
  return tmpdir()
}

function findBinaries(): string | undefined {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return undefined
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a))
  return versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')))
}

/** Whom the server runs as: ourselves, or the user postgres when we are root. */
async function ownerOf(): Promise<{ as: string[]; uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return { as: [], uid: 0, gid: 0 }
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
    )
    return { as: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'], uid: uid!, gid: gid! }
  } catch {
    return undefined
  }
}

function start(as: readonly string[], bin: string, data: string, folder: string, port: number): ChildProcess {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: folder,
    shared_buffers: '16MB',
    max_connections: 100,
    max_wal_size: '256MB',
    autovacuum: 'off',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  // setpriv executes the server in its place: the child is the postmaster itself, and ends with us even when we are killed.
  const [command, ...args] = [
    ...(as.length > 0 ? as : ['setpriv']),
    '--pdeathsig=QUIT',
    join(bin, 'postgres'),
    '-D',
    data,
    ...flags,
  ]
  const child = spawn(command!, args, { cwd: folder, stdio: 'ignore' })
  child.unref()
  process.once('exit', () => child.kill('SIGQUIT'))
  return child
}

async function untilReady(url: string, server: ChildProcess): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return await query(url, 'SELECT 1')
    } catch (error) {
      if (i === 100 || server.exitCode !== null) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(text)
  } finally {
    await client.end().catch(() => {})
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
