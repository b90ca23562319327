// Relaying, for run.mjs: what a server takes by SMTP for relay.test it hands on to smtp-sink. One sink serves both sides for the whole run, and
// its own counter says when the last message has arrived.

import { spawn } from 'node:child_process'
import { now, r1, r3, sleep, treeMem, waitQuiet } from './lib.mjs'

/** Debian's smtp-sink on the port that both sides relay to. */
export async function startSink(port) {
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
  return { count: () => count, stop: () => child.kill() }
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
export async function relay(sink, at, load) {
  const pids = String(at.pid).split(',')
  const cpu = () => pids.reduce((sum, pid) => sum + treeMem(pid).cpu_s, 0)
  await waitQuiet(load.wait)
  const before = sink.count()
  const used = cpu()
  const began = now()
  await inject(at.smtp, load)
  const accepted = now()
  while (sink.count() < before + load.messages) {
    if (now() - began > 180_000) throw new Error(`only ${sink.count() - before} of ${load.messages} messages arrived`)
    await sleep(5)
  }
  const relayed = now()
  // What is written down after the last reply belongs to the message too.
  await sleep(300)
  return {
    accepted: r1((load.messages / (accepted - began)) * 1_000),
    relayed: r1((load.messages / (relayed - began)) * 1_000),
    cpu: r3(((cpu() - used) / load.messages) * 1_000),
    twice: sink.count() - before - load.messages,
  }
}
