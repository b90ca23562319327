// Another mail server of Debian, running in an overlay of this machine's root (overlay.sh): it takes mail for a domain of its own, hands on
// what is for us, and ends with the test, also when the test is killed. Each kind says in a file of its own how it is set up.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, run } from '../../server.ts'

export type Extension = 'STARTTLS' | 'SMTPUTF8' | 'DSN' | 'CHUNKING'

export interface PeerSetup {
  /** Where the kind may put files; the same path on both sides. */
  readonly folder: string
  readonly domain: string
  /** Ports to listen on: without STARTTLS and with it. */
  readonly plain: number
  readonly tls: number
  /** Where mail for posthorn.test (with TLS) and plain.test (without) goes. */
  readonly next: number
}

/** How a mail server is set up as a peer: user bob, who also is bob+anything; whoever connects from loopback may relay. */
export interface PeerKind {
  readonly name: string
  readonly package: string
  /** What it speaks, by the keywords of EHLO: as a server and as a client. */
  readonly server: readonly Extension[]
  readonly client: readonly Extension[]
  /** Files by their paths in the overlay. */
  files(setup: PeerSetup): { readonly [path: string]: string }
  /** Shell commands that start it; it must stay in the background. */
  start(setup: PeerSetup): string
}

export interface Peer extends PeerSetup {
  readonly kind: PeerKind
  /** Runs a shell command beside the server; answers what it printed. */
  say(command: string): Promise<string>
  /** Messages in the mailbox of bob, as kept there: with LF. */
  messages(): Buffer[]
  /** Takes them out. */
  empty(): void
  /** The server's log. */
  log(): string
}

const user = 'bob'

/** Starts it, or tells why it cannot be. Ends with the test. */
export async function startPeer(
  t: { after(fn: () => Promise<void>): void },
  kind: PeerKind,
  next: number,
): Promise<Peer | { readonly skip: string }> {
  const folder = mkdtempSync(join(tmpdir(), `posthorn-${kind.name}-`))
  chmodSync(folder, 0o755)
  const shell = new Shell(kind.package, folder)
  t.after(async () => {
    await shell.end()
    rmSync(folder, { recursive: true, force: true })
  })
  const why = await shell.ready()
  if (why !== undefined) return { skip: why }
  const [plain, tls] = await freePorts(2)
  const domain = `${kind.name}.test`
  const setup = { folder, domain, plain: plain!, tls: tls!, next }
  await makeCertificate(folder, domain)
  writeFiles(folder, kind.files(setup))
  const said = await shell.say(`
    useradd --no-create-home --home-dir ${folder}/home --shell /bin/sh ${user}
    install -d -o ${user} -m 700 ${folder}/home
    cp -r ${folder}/files/. /
    ${kind.start(setup)}`)
  const peer = {
    ...setup,
    kind,
    say: (command: string) => shell.say(command),
    messages: () => maildir(folder).map((file) => readFileSync(file)),
    empty: () => maildir(folder).forEach((file) => void rmSync(file)),
    log: () => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : ''),
  }
  for (let i = 0; !(await greets(setup.plain)) || !(await greets(setup.tls)); i++) {
    if (i > 200) throw new Error(`${kind.name} did not start: ${said}\n${await shell.say(`cat ${folder}/log`)}`)
    await new Promise((done) => setTimeout(done, 50))
  }
  return peer
}

async function makeCertificate(folder: string, domain: string): Promise<void> {
  const args = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), '-subj', `/CN=mx.${domain}`]
  const ran = await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    ...args,
  ])
  if (ran.code !== 0) throw new Error(`openssl: ${ran.stderr}`)
}

function writeFiles(folder: string, files: { readonly [path: string]: string }): void {
  for (const [path, text] of Object.entries(files)) {
    const at = join(folder, 'files', path)
    mkdirSync(join(at, '..'), { recursive: true })
    writeFileSync(at, text)
  }
}

function maildir(folder: string): string[] {
  const at = join(folder, 'home', 'Maildir', 'new')
  try {
    return readdirSync(at)
      .sort()
      .map((name) => join(at, name))
  } catch {
    return []
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

/** The shell in the overlay: one command at a time. */
class Shell {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #ended: Promise<number | null>
  #output = ''
  #errors = ''
  #wake: (() => void) | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(name: string, folder: string) {
    this.#child = spawn('bash', [join(import.meta.dirname, '..', 'overlay.sh'), name, folder], { cwd: '/' })
    this.#ended = new Promise((done) => this.#child.on('close', done))
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.on('data', (chunk) => (this.#errors += chunk))
    this.#child.stdout.on('data', (chunk) => {
      this.#output += chunk
      this.#wake?.()
    })
    void this.#ended.then(() => this.#wake?.())
  }

  /** Undefined when it is there, or why it cannot be. */
  async ready(): Promise<string | undefined> {
    const code = await Promise.race([this.say('true').then(() => undefined), this.#ended])
    if (code === undefined) return undefined
    if (code !== 3) throw new Error(`overlay.sh: exit ${code}\n${this.#errors}`)
    return this.#errors.trim()
  }

  say(command: string): Promise<string> {
    const said = this.#last.then(() => this.#one(command))
    this.#last = said.catch(() => {})
    return said
  }

  async #one(command: string): Promise<string> {
    this.#output = ''
    this.#child.stdin.write(`{ ${command}\n} < /dev/null 2>&1\necho "== $?"\n`)
    for (;;) {
      const end = /(?:^|\n)== \d+\n$/.exec(this.#output)
      if (end) return this.#output.slice(0, end.index)
      if (this.#child.exitCode !== null) throw new Error(`the overlay is gone: ${this.#errors}`)
      await new Promise<void>((done) => (this.#wake = done))
    }
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000)
    await this.#ended
    clearTimeout(timer)
  }
}
