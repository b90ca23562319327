// Relaying: what a server takes by SMTP for relay.test it hands on to smtp-sink. One sink serves both sides for the whole run, and
// its own counter says when the last message has arrived.

import { spawn } from 'node:child_process'
import { meter, now, sleep, waitQuiet } from './lib.mjs'

/** Debian's smtp-sink on the port that both sides relay to. */
async function startSink(port) {
  const become = process.getuid() === 0 ? ['-u', 'nobody'] : []
  const child = spawn('/usr/sbin/smtp-sink', [...become, '-c', `127.0.0.1:${port}`, '1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let count = 0
  let tail = ''
  child.stdout.on('data', (chunk) => {
    tail = (tail + chunk).slice(-100)
    const at = tail.lastIndexOf('mesg=')
    const digits = at < 0 ? null : /^mesg=(\d+)\s/.exec(tail.slice(at))
    if (digits) count = Number(digits[1])
  })
  await sleep(300)
  if (child.exitCode !== null) throw new Error(`smtp-sink did not start on port ${port}`)
  return { pid: child.pid, count: () => count, stop: () => child.kill() }
}

function inject(port, { messages, sessions, size }) {
  const args = ['-s', sessions, '-m', messages, '-l', size, '-f', 'a@sender.test', '-t', 'b@relay.test']
  return new Promise((done, fail) => {
    const child = spawn('/usr/sbin/smtp-source', [...args, `inet:127.0.0.1:${port}`].map(String), {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.on('exit', (code) => (code === 0 ? done() : fail(new Error(`smtp-source: exit ${code}`))))
  })
}

/** Puts `messages` in and waits until all have come out; what was accepted and relayed in a second, and what one message cost. */
async function relay(sink, side, load) {
  await waitQuiet(load.wait)
  const before = sink.count()
  const noise = meter([...side.pids, sink.pid])
  const used = side.cpu()
  const began = now()
  await inject(side.smtp, load)
  const accepted = now()
  while (sink.count() < before + load.messages) {
    if (now() - began > 180_000) throw new Error(`only ${sink.count() - before} of ${load.messages} messages arrived`)
    await sleep(5)
  }
  const relayed = now()
  // What is written down after the last reply belongs to the message too.
  await sleep(300)
  return {
    accepted: (load.messages / (accepted - began)) * 1_000,
    relayed: (load.messages / (relayed - began)) * 1_000,
    cpu: ((side.cpu() - used) / load.messages) * 1_000,
    noise: noise().foreign,
    twice: sink.count() - before - load.messages,
  }
}

/** Both sides in turn, each until its last message is at the sink. */
export async function relayPhase({ figures, sides, port, reps, wait, sessions = [10, 50], messages = 4_000 }) {
  const sink = await startSink(port)
  try {
    for (const side of sides) await relay(sink, side, { messages, size: 4_096, sessions: 10, wait })
    for (const count of sessions) {
      const label = `4 KiB, ${count} sessions`
      for (let rep = 0; rep < reps; rep++)
        for (const side of sides) {
          const result = await relay(sink, side, { messages, size: 4_096, sessions: count, wait })
          if (result.twice > 0) throw new Error(`${side.name} relayed ${result.twice} messages twice`)
          figures.add(`relayed, ${label}`, { unit: '/s', wanted: '≥ 3' }, side.name, result.relayed, result.noise)
          figures.add(`relay CPU a message, ${label}`, { unit: 'ms' }, side.name, result.cpu, result.noise)
        }
      figures.say(`relayed, ${label}`)
      figures.say(`relay CPU a message, ${label}`)
    }
  } finally {
    sink.stop()
  }
}
