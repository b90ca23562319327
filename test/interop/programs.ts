// Debian's mail programs, run as a person or another server would run them.

import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, has, type Ran, run } from '../server.ts'

/** `skip` option of a test: false, or which program is missing and how to get it. */
export async function needs(...programs: string[]): Promise<false | string> {
  const packages: { [program: string]: string } = { 'smtp-source': 'postfix', 'smtp-sink': 'postfix', mbsync: 'isync' }
  for (const program of programs)
    if (!(await has(program))) return `needs ${program}: apt-get install ${packages[program] ?? program}`
  return false
}

export const swaks = (...args: string[]): Promise<Ran> => run('swaks', ['--server', '127.0.0.1', ...args])
export const smtpSource = (...args: string[]): Promise<Ran> =>
  run('/usr/sbin/smtp-source', args, { timeoutMs: 120_000 })
export const curl = (...args: string[]): Promise<Ran> =>
  run('curl', ['--silent', '--show-error', '--insecure', '--max-time', '30', ...args])

/** Postfix's smtp-sink on a free port, keeping every message it accepts as a file. `args` make it refuse things. */
export async function smtpSink(t: { after(fn: () => Promise<void>): void }, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-sink-'))
  const [port] = await freePorts(1)
  const child = spawn('/usr/sbin/smtp-sink', ['-d', join(folder, 'm-%S.'), ...args, `127.0.0.1:${port}`, '100'], {
    stdio: 'ignore',
  })
  t.after(async () => {
    child.kill()
    await rm(folder, { recursive: true, force: true })
  })
  for (let i = 0; !(await open(port!)); i++) {
    if (i > 200) throw new Error('smtp-sink did not start')
    await new Promise((done) => setTimeout(done, 20))
  }
  return {
    port: port!,
    /** Texts of the messages received until now; smtp-sink puts its own X-… header lines in front. */
    async messages(): Promise<string[]> {
      const names = await readdir(folder)
      return Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')))
    },
  }
}

function open(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => done(false))
  })
}

/** Asks until `check` answers something else than undefined or false; fails with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const value = await check()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) throw new Error(`within ${timeoutMs} ms: ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}
