// The two sides of a comparison, each started privately on loopback: Posthorn from this checkout, and Debian's Postfix with Dovecot.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { installMissing } from '../scripts/debian.mjs'
import { now, sleep, treeMem } from './lib.mjs'

const here = import.meta.dirname
const root = path.resolve(here, '..')
const peersFolder = process.env.BENCH_RUN || '/var/tmp/mailbench'

/** A port for each name that nobody has; all are held until the last is found. */
export async function freePorts(...names) {
  const held = await Promise.all(
    names.map(
      () =>
        new Promise((done, fail) => {
          const server = net.createServer().on('error', fail)
          server.listen(0, '127.0.0.1', () => done(server))
        }),
    ),
  )
  const found = Object.fromEntries(names.map((name, i) => [name, held[i].address().port]))
  await Promise.all(held.map((server) => new Promise((done) => server.close(done))))
  return found
}

function greeted(port) {
  return new Promise((done) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('data', () => {
      done(true)
      socket.destroy()
    })
    socket.on('error', () => done(false))
    socket.on('close', () => done(false))
  })
}
async function untilGreeted(port, alive, what) {
  const began = now()
  while (!(await greeted(port))) {
    if (!alive() || now() - began > 30_000) throw new Error(`${what} did not answer on port ${port}`)
    await sleep(2)
  }
}
const cpuOf = (pids) => pids.reduce((sum, pid) => sum + treeMem(pid).cpu_s, 0)
const pssOf = (pids) => pids.reduce((sum, pid) => sum + treeMem(pid).pss_kb, 0)

/** Our server. `users` accounts u1 … of bench.test, password `pass`; `sink` is where relay.test goes. */
export class Posthorn {
  name = 'posthorn'
  settings = {}
  constructor({ folder, ports, users, sink, doors }) {
    Object.assign(this, { folder, ports, users, sink, doors })
    this.config = path.join(folder, 'posthorn.yaml')
    this.log = path.join(folder, 'posthorn.log')
  }
  get smtp() {
    return this.ports.smtp
  }
  get lmtp() {
    return this.ports.lmtp
  }
  get imap() {
    return this.ports.imap
  }
  get pids() {
    return [this.child.pid]
  }
  user = (n) => `u${n}@bench.test`
  /** Where mail is accepted and nothing more is done: here the same as delivering. */
  accepting = (n) => this.user(n)
  cpu = () => cpuOf(this.pids)
  pss = () => pssOf(this.pids)

  write(settings = {}) {
    const { ports } = this
    const listen = Object.fromEntries(
      ['smtp', 'lmtp', 'imap', 'http'].filter((name) => ports[name]).map((name) => [name, `127.0.0.1:${ports[name]}`]),
    )
    const all = {
      hostname: 'mx.bench.test',
      data: path.join(this.folder, 'data'),
      listen,
      smtp: { trustedNetworks: ['127.0.0.0/8'] },
      ...(this.sink ? { queue: { routes: { 'relay.test': `127.0.0.1:${this.sink}` } } } : {}),
      ...(this.doors ? { doors: this.doors } : {}),
      ...settings,
    }
    fs.writeFileSync(this.config, JSON.stringify(all))
  }
  async start() {
    this.write()
    const command = (...rest) =>
      execFileSync(path.join(root, 'bin/posthorn'), [...rest, '--config', this.config], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    command('domain', 'add', 'bench.test')
    const list = path.join(this.folder, 'users.csv')
    fs.writeFileSync(list, Array.from({ length: this.users }, (_, i) => `${this.user(i + 1)},pass\n`).join(''))
    command('user', 'import', list)
    await this.run()
  }
  /** Starts the process; the time until the first banner in ms. */
  async run() {
    const began = now()
    this.child = spawn(path.join(root, 'bin/posthorn'), ['run', '--config', this.config], {
      stdio: ['ignore', fs.openSync(this.log, 'a'), 'inherit'],
    })
    const { child } = this
    await untilGreeted(this.ports.smtp, () => child.exitCode === null, `posthorn (${this.log})`)
    const first = now() - began
    await untilGreeted(this.ports.imap, () => child.exitCode === null, `posthorn (${this.log})`)
    return first
  }
  async stop() {
    const { child } = this
    if (!child || child.exitCode !== null) return
    child.kill()
    await new Promise((done) => (child.exitCode === null ? child.on('exit', done) : done()))
  }
  /** Stops and starts again, so that nothing of a mailbox is in memory. */
  async cold(settings) {
    await this.stop()
    this.write(settings)
    return await this.run()
  }
  /** Resolves when the search index holds everything that has come. */
  async indexed(most = 900_000) {
    const began = now()
    let lag
    do {
      await sleep(500)
      const text = await (await fetch(`http://127.0.0.1:${this.ports.http}/metrics`)).text()
      lag = Number(/^posthorn_search_lag (\d+)/m.exec(text)?.[1] ?? Number.NaN)
      if (now() - began > most) throw new Error(`the search index is ${lag} behind after ${most / 1000} s`)
    } while (lag !== 0)
    return now() - began
  }
}

const postfix = [['/usr/sbin/postfix', 'postfix']]
const dovecot = [
  ['/usr/lib/dovecot/imap', 'dovecot-imapd'],
  ['/usr/lib/dovecot/lmtp', 'dovecot-lmtpd'],
  ['/usr/lib/dovecot/modules/lib90_sieve_plugin.so', 'dovecot-sieve'],
]

/** Postfix, with Dovecot unless `dovecot` is false, as bench/start-peers.sh makes them. */
export class Peers {
  constructor({ folder, ports, dovecot }) {
    Object.assign(this, { folder, ports, dovecot })
  }
  shell(script, env = {}) {
    // The daemons keep their standard output: into a file, for a pipe would never end.
    const log = path.join(this.folder, 'peers.log')
    const out = fs.openSync(log, 'a')
    const { ports } = this
    const named = {
      SMTP_PORT: ports.peerSmtp,
      LMTP_PORT: ports.peerLmtp,
      IMAP_PORT: ports.peerImap,
      SINK_PORT: ports.sink,
    }
    const ran = spawnSync('bash', [path.join(here, script)], {
      env: {
        ...process.env,
        IN_FLOW_DELAY: '0',
        ...Object.fromEntries(Object.entries(named).map(([key, value]) => [key, `${value}`])),
        ...env,
      },
      stdio: ['ignore', out, out],
    })
    if (ran.status !== 0)
      throw new Error(`${script}: see ${peersFolder}/postfix/maillog; ${fs.readFileSync(log, 'utf8')}`)
  }
  start() {
    const needed = this.dovecot ? [...postfix, ...dovecot] : postfix
    const missing = installMissing(needed, (names) => console.error(`bench: installing ${names} …`))
    if (missing.length > 0)
      throw new Error(`the other side needs: apt-get install ${missing.map(([, name]) => name).join(' ')}`)
    this.shell('start-peers.sh', { FRESH: '1', ...(this.dovecot ? {} : { SMTP_ONLY: '1' }) })
  }
  stop() {
    this.shell('stop-peers.sh')
  }
  pid(file) {
    return fs.readFileSync(path.join(peersFolder, file), 'utf8').trim()
  }
  get postfix() {
    return this.pid('postfix/queue/pid/master.pid')
  }
  /** One of Dovecot's storage formats as a side: sdbox, mdbox or maildir. Mail arrives through Postfix. */
  side(format) {
    const peers = this
    const conf = path.join(peersFolder, 'dovecot/etc/dovecot.conf')
    return {
      name: format,
      smtp: peers.ports.peerSmtp,
      lmtp: peers.ports.peerLmtp,
      imap: peers.ports.peerImap,
      user: (n) => `u${n}@${format}.test`,
      accepting: (n) => `u${n}@discard.test`,
      get pids() {
        return [peers.postfix, ...(peers.dovecot ? [peers.pid('dovecot/base/master.pid')] : [])]
      },
      cpu() {
        return cpuOf(this.pids)
      },
      pss() {
        return pssOf(this.pids)
      },
      /** Dovecot anew, without what it has cached of the mailboxes of user `n`. */
      async cold(_, n = 200) {
        // The daemon keeps what it is given as standard output: of a pipe there would be no end.
        execFileSync('doveadm', ['-c', conf, 'stop'], { stdio: 'ignore' })
        await sleep(200)
        const mailboxes = path.join(peersFolder, 'mail', format, `u${n}`)
        for (const file of fs.existsSync(mailboxes) ? fs.readdirSync(mailboxes, { recursive: true }) : [])
          if (path.basename(file) === 'dovecot.index.cache') fs.unlinkSync(path.join(mailboxes, file))
        execFileSync('dovecot', ['-c', conf], { stdio: 'ignore' })
        await untilGreeted(peers.ports.peerImap, () => true, 'dovecot')
      },
    }
  }
}
