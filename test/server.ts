// A running server for tests that use real programs: its own process from bin/posthorn, a temporary data folder, free loopback ports.

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
export const full = process.env['POSTHORN_FULL'] === '1'

export const listeners = [
  'smtp',
  'submission',
  'submissions',
  'lmtp',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'http',
  'https',
] as const
export type Ports = { readonly [K in (typeof listeners)[number]]: number }

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; `input` goes to its standard input. Ends it after `timeoutMs` (default 60 s). */
export function run(
  command: string,
  args: readonly string[],
  options: { input?: string | Buffer; timeoutMs?: number; cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
    child.stdout.on('data', (chunk) => (stdout += chunk))
    child.stderr.on('data', (chunk) => (stderr += chunk))
    child.on('error', fail)
    child.on('close', (code) => {
      clearTimeout(timer)
      done({ code, stdout, stderr })
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** Whether Debian's program is there; tests without it are left out by name. */
export async function has(program: string): Promise<boolean> {
  return (await run('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${program}`])).code === 0
}

/** The ports of this process: below those that the system gives to connections going out, and not those of a test beside us. */
const portsEach = 400
const firstPort = 10_000 + (process.pid % 55) * portsEach
let nextPort = Math.floor(Math.random() * portsEach)

/** Ports that nobody listens on and that were not given before, so that one who starts again finds his own free. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = firstPort + (nextPort++ % portsEach)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer().on('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })
}

export interface Setup {
  /** Merged over the test's configuration, one level deep. */
  readonly config?: { readonly [key: string]: unknown }
  readonly env?: NodeJS.ProcessEnv
  /** `email: password`; their domains are made. */
  readonly users?: { readonly [email: string]: string }
  /** What its processes are started by, such as a program that shows them another file system. */
  readonly by?: readonly string[]
}

/**
 * Where one run of all tests keeps data folders as the commands have made them: many tests begin with the same domains and people,
 * and making them costs two seconds of a processor. Undefined when nobody keeps any, or the configuration says where or how data stand.
 */
function keptFor({ users, config, by }: Setup): string | undefined {
  const folder = process.env['TEST_KEPT']
  const { queue: _queue, smtp: _smtp, ...rest } = config ?? {}
  if (!folder || Object.keys(users ?? {}).length === 0 || by || ['data', 'store', 'blobs'].some((key) => key in rest))
    return undefined
  return join(
    folder,
    createHash('sha256')
      .update(JSON.stringify([users, rest]))
      .digest('hex'),
  )
}

/** Another process may be doing the same: who is first has made it. */
async function keep(data: string, kept: string): Promise<void> {
  const copy = await mkdtemp(`${kept}-`)
  await cp(data, copy, { recursive: true, preserveTimestamps: true })
  await rename(copy, kept).catch(() => rm(copy, { recursive: true, force: true }))
}

/** One installation: configuration and data folder, started and stopped at will. */
export class Installation {
  readonly folder: string
  readonly ports: Ports
  readonly configFile: string
  readonly #by: readonly string[]
  #child: ChildProcess | undefined
  #exit: Promise<number | null> = Promise.resolve(null)
  #output = ''

  private constructor(folder: string, ports: Ports, by: readonly string[]) {
    this.folder = folder
    this.#by = by
    this.ports = ports
    this.configFile = join(folder, 'posthorn.yaml')
  }

  /** Makes the folder, the configuration and the users; does not start the server. */
  static async make(setup: Setup = {}): Promise<Installation> {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'))
    const free = await freePorts(listeners.length)
    const ports = Object.fromEntries(listeners.map((name, i) => [name, free[i]!])) as Ports
    const made = new Installation(folder, ports, setup.by ?? [])
    const listen = Object.fromEntries(listeners.map((name) => [name, `127.0.0.1:${ports[name]}`]))
    // JSON is YAML.
    await writeFile(
      made.configFile,
      JSON.stringify({ hostname: 'mail.example.test', data: './data', listen, ...setup.config }, null, 2),
    )
    const kept = keptFor(setup)
    if (kept && existsSync(kept)) await cp(kept, made.data, { recursive: true, preserveTimestamps: true })
    else {
      await made.#addUsers(Object.entries(setup.users ?? {}))
      if (kept) await keep(made.data, kept)
    }
    return made
  }

  async #addUsers(users: readonly (readonly [email: string, password: string])[]): Promise<void> {
    for (const domain of new Set(users.map(([email]) => email.split('@')[1]!)))
      await this.cliOk('domain', 'add', domain)
    if (users.length === 0) return
    const file = join(this.folder, 'users.csv')
    await writeFile(file, users.map(([email, password]) => `${email},${password}\n`).join(''))
    await this.cliOk('user', 'import', file)
  }

  /** Merges `change` over the configuration file, one level deep; takes effect at the next start. */
  async reconfigure(change: { readonly [key: string]: unknown }): Promise<void> {
    const config = JSON.parse(await readFile(this.configFile, 'utf8'))
    await writeFile(this.configFile, JSON.stringify({ ...config, ...change }, null, 2))
  }

  get data(): string {
    return join(this.folder, 'data')
  }
  get pid(): number {
    return this.#child!.pid!
  }
  /** What the server printed and logged since it was last started. */
  get output(): string {
    return this.#output
  }
  /** Settles when the server's process ends. */
  get exited(): Promise<number | null> {
    return this.#exit
  }

  /** Starts the server; resolves when SMTP greets. Rejects with its output when it ends before. */
  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.#output = ''
    const [command, ...args] = [...this.#by, join(root, 'bin/posthorn'), 'run', '--config', this.configFile]
    const child = spawn(command!, args, {
      cwd: this.folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    child.stdout.on('data', (chunk) => (this.#output += chunk))
    child.stderr.on('data', (chunk) => (this.#output += chunk))
    this.#exit = new Promise((done) => child.on('close', done))
    let ended = false
    void this.#exit.then(() => (ended = true))
    const deadline = Date.now() + 30_000
    while (!(await greets(this.ports.smtp)) || !(await greets(this.ports.imap))) {
      if (ended || Date.now() > deadline) throw new Error(`the server did not start:\n${this.#output}`)
      await new Promise((done) => setTimeout(done, 20))
    }
  }

  /** TERM (or another signal) and wait for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child?.kill(signal)
    return await this.#exit
  }

  /** Stops if need be and takes the folder away. */
  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }

  cli(...args: string[]): Promise<Ran> {
    const [command, ...rest] = [...this.#by, join(root, 'bin/posthorn'), ...args, '--config', this.configFile]
    return run(command!, rest, {
      cwd: this.folder,
      timeoutMs: 120_000,
    })
  }
  async cliOk(...args: string[]): Promise<string> {
    const ran = await this.cli(...args)
    if (ran.code !== 0) throw new Error(`posthorn ${args.join(' ')}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`)
    return ran.stdout
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('data', () => socket.destroy(void done(true) as undefined))
    socket.on('error', () => done(false))
    socket.on('close', () => done(false))
  })
}

/** Makes an installation, starts it, and takes it away after the test. */
export async function startInstallation(
  t: { after(fn: () => Promise<void>): void },
  setup: Setup = {},
): Promise<Installation> {
  const made = await Installation.make(setup)
  t.after(() => made.remove())
  await made.start(setup.env)
  return made
}
