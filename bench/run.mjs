// npm run bench [smtp|lmtp|relay|imap] — Posthorn against Postfix with Dovecot on this machine, interleaved in one run.
// Starts both privately on loopback (Debian's postfix dovecot-imapd dovecot-lmtpd dovecot-sieve bc), every loop has an end.
// Options: --reps N (default 3)  --messages N (default 4000)  --sessions N,N (default 10,50)  --only posthorn|peers

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { args } from './lib.mjs'
import { relay, startSink } from './relay.mjs'

const here = import.meta.dirname
const root = path.resolve(here, '..')
const { pos, o } = args(process.argv.slice(2))
const phases = pos.length > 0 ? pos : ['smtp']
const reps = String(o.reps || 3)
const messages = String(o.messages || 4000)
const sessionCounts = String(o.sessions || '10,50').split(',')
const sides = o.only ? [o.only] : ['peers', 'posthorn']
/** Relaying needs Postfix alone. */
const dovecot = phases.some((phase) => phase !== 'relay')
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'posthorn-bench-'))

/** A port for each name that nobody has; all are held until the last is found. */
async function freePorts(...names) {
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
const ports = await freePorts('smtp', 'lmtp', 'imap', 'sink', 'peerSmtp', 'peerLmtp', 'peerImap')
const peerPorts = {
  SMTP_PORT: `${ports.peerSmtp}`,
  LMTP_PORT: `${ports.peerLmtp}`,
  IMAP_PORT: `${ports.peerImap}`,
  SINK_PORT: `${ports.sink}`,
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

async function startPosthorn() {
  const config = path.join(folder, 'posthorn.yaml')
  const listen = { smtp: `127.0.0.1:${ports.smtp}`, lmtp: `127.0.0.1:${ports.lmtp}`, imap: `127.0.0.1:${ports.imap}` }
  const settings = {
    hostname: 'mx.bench.test',
    data: path.join(folder, 'data'),
    listen,
    smtp: { trustedNetworks: ['127.0.0.0/8'] },
    queue: { routes: { 'relay.test': `127.0.0.1:${ports.sink}` } },
  }
  fs.writeFileSync(config, JSON.stringify(settings))
  const cli = (...rest) =>
    execFileSync(path.join(root, 'bin/posthorn'), [...rest, '--config', config], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  cli('domain', 'add', 'bench.test')
  const users = path.join(folder, 'users.csv')
  fs.writeFileSync(users, Array.from({ length: dovecot ? 200 : 1 }, (_, i) => `u${i + 1}@bench.test,pass\n`).join(''))
  cli('user', 'import', users)
  const child = spawn(path.join(root, 'bin/posthorn'), ['run', '--config', config], {
    stdio: ['ignore', fs.openSync(path.join(folder, 'posthorn.log'), 'w'), 'inherit'],
  })
  for (let i = 0; !(await greeted(ports.smtp)) || !(await greeted(ports.imap)); i++) {
    if (i > 1000 || child.exitCode !== null) throw new Error(`posthorn did not start: see ${folder}/posthorn.log`)
    await new Promise((done) => setTimeout(done, 20))
  }
  return child
}

function startPeers() {
  // The daemons keep their standard output: into a file, for a pipe would never end.
  const log = path.join(folder, 'peers.log')
  const out = fs.openSync(log, 'w')
  const env = { ...process.env, FRESH: '1', IN_FLOW_DELAY: '0', ...peerPorts, ...(dovecot ? {} : { SMTP_ONLY: '1' }) }
  const ran = spawnSync('bash', [path.join(here, 'start-peers.sh')], { env, stdio: ['ignore', out, out] })
  const run = process.env.BENCH_RUN || '/var/tmp/mailbench'
  if (ran.status !== 0)
    throw new Error(`the peers did not start: see ${run}/postfix/maillog; ${fs.readFileSync(log, 'utf8')}`)
  return ['postfix/queue/pid/master.pid', ...(dovecot ? ['dovecot/base/master.pid'] : [])]
    .map((file) => fs.readFileSync(path.join(run, file), 'utf8').trim())
    .join(',')
}

const bench = (script, ...rest) => {
  const ran = spawnSync(process.execPath, [path.join(here, script), ...rest.map(String)], {
    encoding: 'utf8',
    timeout: 600_000,
  })
  if (ran.status !== 0) throw new Error(`${script}: ${ran.stdout}${ran.stderr}`)
  // The record is the last thing printed: on one line, or spread over many with all but its first brace indented.
  return JSON.parse(ran.stdout.slice(ran.stdout.lastIndexOf('\n{') + 1))
}
/**
 * One repetition: what was accepted and what was delivered in a second. Accepting is measured alone on both sides, with nobody polling
 * by IMAP; Postfix accepts for `discard:`, so that delivery does not slow it.
 */
function inbound(phase, side, sessions) {
  const at = target[side]
  const common = [
    '127.0.0.1',
    at[phase],
    ...(phase === 'lmtp' ? ['--lmtp'] : []),
    '--users',
    10,
    '--sessions',
    sessions,
    '--messages',
    messages,
  ]
  const once = ['--size', 4096, '--reps', 1, '--maxfactor', 1, '--wait', o.wait || 3000, '--rsspid', at.pid]
  const record = bench('smtpbench.mjs', ...common, ...once, '--rcpt', at.rcpt, '--imap', `127.0.0.1:${at.imap}`)
  const alone =
    phase === 'smtp'
      ? bench('smtpbench.mjs', ...common, ...once, '--rcpt', side === 'peers' ? 'u%d@discard.test' : at.rcpt)
      : record
  const result = { accepted: alone.accepted_median, delivered: record.delivered_median, cpu: record.cpu_ms_per_msg }
  console.log(
    `${phase} ${sessions} sessions ${side.padEnd(8)} accepted ${result.accepted}/s delivered ${result.delivered}/s CPU ${result.cpu} ms (accepting ${alone.cpu_ms_per_msg}) noise ${[...record.noise, ...alone.noise].join(' ')}`,
  )
  return result
}
/** Both sides in turn, each until its last message is at the sink. */
async function relayPhase() {
  const sink = await startSink(ports.sink)
  try {
    const once = async (side, load) => {
      const result = await relay(sink, target[side], { messages: Number(messages), size: 4096, wait: 3_000, ...load })
      console.log(
        `relay ${load.sessions} sessions ${side.padEnd(8)} accepted ${result.accepted}/s relayed ${result.relayed}/s CPU ${result.cpu} ms${result.twice > 0 ? ` ${result.twice} twice` : ''}`,
      )
      return result
    }
    console.log('warming up')
    for (const side of sides) await once(side, { sessions: 10 })
    console.log('measuring')
    for (const sessions of sessionCounts) {
      const pairs = []
      for (let rep = 0; rep < Number(reps); rep++) {
        const pair = {}
        for (const side of sides) pair[side] = await once(side, { sessions })
        pairs.push(pair)
      }
      if (sides.length < 2) continue
      const ratio = (key) => median(pairs.map((pair) => pair.posthorn[key] / pair.peers[key])).toFixed(2)
      console.log(
        `relay ${sessions} sessions: accepted ${ratio('accepted')} ×, relayed ${ratio('relayed')} ×, CPU per message ${ratio('cpu')} × Postfix's (median of ${pairs.length} pairs)`,
      )
    }
  } finally {
    sink.stop()
  }
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]

let posthorn
let peers
const target = {}
try {
  if (sides.includes('posthorn')) {
    posthorn = await startPosthorn()
    target.posthorn = {
      smtp: ports.smtp,
      lmtp: ports.lmtp,
      imap: ports.imap,
      rcpt: 'u%d@bench.test',
      pid: posthorn.pid,
    }
  }
  if (sides.includes('peers')) {
    peers = startPeers()
    target.peers = {
      smtp: ports.peerSmtp,
      lmtp: ports.peerLmtp,
      imap: ports.peerImap,
      rcpt: 'u%d@sdbox.test',
      pid: peers,
    }
  }
  for (const phase of phases) {
    if (phase === 'smtp' || phase === 'lmtp') {
      // Both sides have worked a while before anything counts: caches are full, code is compiled.
      console.log('warming up')
      for (const side of sides) inbound(phase, side, 10)
      console.log('measuring')
      for (const sessions of sessionCounts) {
        const pairs = []
        // One repetition of each side in turn, so that a neighbour's load meets both.
        for (let rep = 0; rep < Number(reps); rep++) {
          const pair = {}
          for (const side of sides) pair[side] = inbound(phase, side, sessions)
          pairs.push(pair)
        }
        if (sides.length === 2) {
          const ratio = (key) => median(pairs.map((pair) => pair.posthorn[key] / pair.peers[key])).toFixed(2)
          console.log(
            `${phase} ${sessions} sessions: accepted ${ratio('accepted')} ×, delivered ${ratio('delivered')} ×, CPU per message ${ratio('cpu')} × the peers (median of ${pairs.length} pairs)`,
          )
        }
      }
    } else if (phase === 'relay') {
      await relayPhase()
    } else if (phase === 'imap') {
      for (const side of sides)
        console.log(
          side,
          JSON.stringify(
            bench(
              'imapbench.mjs',
              '127.0.0.1',
              target[side].imap,
              target[side].rcpt.replace('%d', '200'),
              'pass',
              '--n',
              o.n || 10000,
              '--rsspid',
              target[side].pid,
            ),
          ),
        )
    } else throw new Error(`no phase ${phase}: smtp lmtp relay imap`)
  }
} finally {
  if (posthorn) {
    posthorn.kill()
    await new Promise((done) => (posthorn.exitCode === null ? posthorn.on('exit', done) : done()))
  }
  if (sides.includes('peers')) spawnSync('bash', [path.join(here, 'stop-peers.sh')])
  fs.rmSync(folder, { recursive: true, force: true })
}
