// Debian's mail programs, run as a person or another server would run them.

import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, has, type Ran, run } from '../server.ts'

/** What is called otherwise than its package, or is no program: how to see whether it is there. */
const wanted: { readonly [name: string]: { readonly package: string; readonly probe?: string } } = {
  'smtp-source': { package: 'postfix' },
  'smtp-sink': { package: 'postfix' },
  knotd: { package: 'knot' },
  keymgr: { package: 'knot' },
  kdig: { package: 'knot-dnsutils' },
  Dovecot: { package: 'dovecot-imapd', probe: 'test -x /usr/lib/dovecot/imap' },
  'LMTP of Dovecot': { package: 'dovecot-lmtpd', probe: 'test -x /usr/lib/dovecot/lmtp' },
  offlineimap: { package: 'offlineimap3' },
  script: { package: 'bsdutils' },
  clamd: { package: 'clamav-daemon' },
  mbsync: { package: 'isync' },
  getmail: { package: 'getmail6' },
  'TLS for swaks': { package: 'libnet-ssleay-perl', probe: 'perl -MNet::SSLeay -e 1' },
  'SASL PLAIN': {
    package: 'libsasl2-modules',
    probe: 'ls /usr/lib/*/sasl2/libplain.so* /usr/lib/sasl2/libplain.so* | grep .',
  },
}

/** `skip` option of a test: false, or which program is missing and how to get it. */
export async function needs(...names: string[]): Promise<false | string> {
  for (const name of names) {
    const { package: from = name, probe } = wanted[name] ?? {}
    const there = probe ? (await run('sh', ['-c', probe])).code === 0 : await has(name)
    if (!there) return `needs ${name}: apt-get install ${from}`
  }
  return false
}

export const swaks = (...args: string[]): Promise<Ran> => run('swaks', ['--server', '127.0.0.1', ...args])
export const smtpSource = (...args: string[]): Promise<Ran> =>
  run('/usr/sbin/smtp-source', args, { timeoutMs: 120_000 })
export const curl = (...args: string[]): Promise<Ran> =>
  run('curl', ['--silent', '--show-error', '--insecure', '--max-time', '30', ...args])

/** smtp-sink wants another user to become when root starts it. */
const asRoot = process.getuid?.() === 0 ? ['-u', 'nobody'] : []

/** Postfix's smtp-sink on a free port, keeping every message it accepts as a file. `args` make it refuse things. */
export async function smtpSink(t: { after(fn: () => Promise<void>): void }, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-sink-'))
  await chmod(folder, 0o777)
  const [port] = await freePorts(1)
  const child = spawn(
    '/usr/sbin/smtp-sink',
    [...asRoot, '-d', join(folder, 'm-%S.'), ...args, `127.0.0.1:${port}`, '100'],
    {
      stdio: 'ignore',
    },
  )
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
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')))
      // It makes the file at MAIL and writes into it later.
      return texts.filter((text) => text !== '')
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
