// npm run bench [PHASE...] — Posthorn against Postfix with Dovecot on this machine, interleaved in one run.
// Starts both privately on loopback (Debian's postfix dovecot-imapd dovecot-lmtpd dovecot-sieve), every loop has an end.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Figures, heading, keep, machine } from './figures.mjs'
import { growthPhase } from './growth.mjs'
import { appendPhase, idlePhase, imapPhase, loginPhase } from './imap.mjs'
import { inboundPhase } from './inbound.mjs'
import { args } from './lib.mjs'
import { relayPhase } from './relay.mjs'
import { freePorts, Peers, Posthorn } from './sides.mjs'
import { startPhase } from './start.mjs'

const help = `npm run bench -- [PHASE...] [OPTION...]

Phases (all but growth unless named):
  start    time to the first banner, memory at rest
  smtp     mail in by SMTP: accepted, delivered, CPU, latency
  lmtp     mail in by LMTP
  relay    mail out to smtp-sink
  imap     reading, searching and filing in mailboxes of --n messages
  append   APPEND one by one, in flight, many at once
  login    signing in and out
  idle     connections that wait in IDLE: memory, and how soon they hear
  growth   ours alone: the same with --n 1000,10000,100000,1000000 messages, and with 10 to 10,000 mailboxes

Options:
  --reps N            pairs of each figure (3)
  --n N,N             messages in the mailbox (10000,100000)
  --sessions N,N      only these numbers of sessions
  --messages N        as many messages in each repetition of smtp, lmtp, relay
  --formats F,F       Dovecot's formats (sdbox,mdbox,maildir)
  --only TEXT,TEXT    imap: only operations whose name has one of these in it
  --side posthorn     one side alone
  --doors N           threads of doors
  --wait MS           how long to wait for a quiet machine before each repetition (3000)
  --label NAME        name of the files in bench/results (the phases)
  --no-results        writes none
`
const { pos, o } = args(process.argv.slice(2))
if (o.help) {
  console.log(help)
  process.exit(0)
}
const known = ['start', 'smtp', 'lmtp', 'relay', 'imap', 'append', 'login', 'idle', 'growth']
const phases = pos.length > 0 ? pos : known.filter((phase) => phase !== 'growth')
const unknown = phases.filter((phase) => !known.includes(phase))
if (unknown.length > 0) {
  console.error(`bench: no phase ${unknown.join(', ')}; there are ${known.join(', ')}`)
  process.exit(2)
}
const numbers = (text) => String(text).split(',').map(Number)
const reps = Number(o.reps ?? 3)
const wait = Number(o.wait ?? 3_000)
const sessions = o.sessions && numbers(o.sessions)
const messages = o.messages && Number(o.messages)
const formats = String(o.formats ?? 'sdbox,mdbox,maildir').split(',')
const both = o.side !== 'posthorn'
const about = { ...machine(), command: `npm run bench -- ${process.argv.slice(2).join(' ')}` }

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'posthorn-bench-'))
const ports = await freePorts('smtp', 'lmtp', 'imap', 'http', 'sink', 'peerSmtp', 'peerLmtp', 'peerImap')
const figures = new Figures((text) => console.log(text))
const withPeers = both && phases.some((phase) => phase !== 'start' && phase !== 'growth')
const posthorn = new Posthorn({ folder, ports, users: 200, sink: ports.sink, doors: o.doors && Number(o.doors) })
const peers = new Peers({ folder, ports, dovecot: phases.some((phase) => phase !== 'relay') })
console.log(
  `${about.cores} cores, ${about.memory}, Node ${about.node}, ${about.commit}; a loop of 100 M turns takes ${about.loop} ms`,
)
console.log(heading)
try {
  await posthorn.start()
  if (withPeers) peers.start()
  const against = (...names) => [posthorn, ...(withPeers ? names.map((name) => peers.side(name)) : [])]
  for (const phase of phases) {
    if (phase === 'start') await startPhase({ figures, posthorn, reps })
    if (phase === 'smtp' || phase === 'lmtp')
      await inboundPhase({ figures, protocol: phase, sides: against('sdbox'), reps, wait, sessions, messages })
    if (phase === 'relay')
      await relayPhase({ figures, sides: against('sdbox'), port: ports.sink, reps, wait, sessions, messages })
    if (phase === 'imap')
      for (const n of numbers(o.n ?? '10000,100000'))
        await imapPhase({ figures, sides: against(...formats), reps, n, wait, only: o.only })
    if (phase === 'append') await appendPhase({ figures, sides: against(...formats), reps, wait })
    if (phase === 'login') await loginPhase({ figures, sides: against(formats[0]), reps, wait })
    if (phase === 'idle') await idlePhase({ figures, sides: against(formats[0]), counts: [100, 1_000], wait })
    if (phase === 'growth')
      await growthPhase({ figures, posthorn, counts: numbers(o.n ?? '1000,10000,100000,1000000'), wait })
  }
} finally {
  await posthorn.stop()
  if (withPeers) peers.stop()
  fs.rmSync(folder, { recursive: true, force: true })
}
if (!o['no-results'] && figures.sums.length > 0)
  console.log(
    `written: ${path.relative(process.cwd(), keep(path.join(import.meta.dirname, 'results'), o.label ?? phases.join('-'), about, figures))}.json and .md`,
  )
const missed = figures.sums.filter((sum) => sum.holds === false)
console.log(
  missed.length > 0
    ? `short of what is wanted: ${missed.map((sum) => sum.figure).join('; ')}`
    : 'everything is as wanted',
)
process.exit(0)
