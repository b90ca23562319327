// node startup.mjs HOST:PORT GREETING_PREFIX REPS -- startcmd -- stopcmd : ms from exec to first banner

import { spawn, spawnSync } from 'node:child_process'
import net from 'node:net'
import { median, now, r1, sleep } from './lib.mjs'

const a = process.argv.slice(2)
const i1 = a.indexOf('--'),
  i2 = a.indexOf('--', i1 + 1)
const [hp, pre, reps] = a
const start = a.slice(i1 + 1, i2).join(' '),
  stop = a.slice(i2 + 1).join(' ')
const [h, p] = hp.split(':')
const t = []
for (let k = 0; k < +reps; k++) {
  const t0 = now()
  const c = spawn('bash', ['-c', start], { stdio: 'ignore', detached: true })
  for (;;) {
    const ok = await new Promise((r) => {
      const s = net.connect(+p, h)
      let d = false
      s.on('data', (x) => {
        d = true
        s.destroy()
        r(x.toString('latin1').startsWith(pre))
      })
      s.on('error', () => r(false))
      s.on('close', () => {
        if (!d) r(false)
      })
    })
    if (ok) break
    if (now() - t0 > 30000) throw new Error('never up')
    await sleep(2)
  }
  t.push(now() - t0)
  spawnSync('bash', ['-c', stop.replace('$PID', c.pid)])
  await sleep(700)
}
console.log(JSON.stringify({ target: hp, ms: r1(median(t)), all: t.map(r1) }))
