// Mail coming in, by SMTP or LMTP: smtp-source is the load, and mail counts as delivered when IMAP shows it.

import { spawnSync } from 'node:child_process'
import path from 'node:path'

function bench(...rest) {
  const ran = spawnSync(process.execPath, [path.join(import.meta.dirname, 'smtpbench.mjs'), ...rest.map(String)], {
    encoding: 'utf8',
    timeout: 600_000,
  })
  if (ran.status !== 0) throw new Error(`smtpbench.mjs: ${ran.stdout}${ran.stderr}`)
  const record = JSON.parse(ran.stdout.slice(ran.stdout.lastIndexOf('\n{') + 1))
  if (record.failed || record.mismatch)
    throw new Error(
      `smtpbench.mjs: ${record.failed ?? 0} failed ${record.err ?? ''}, ${JSON.stringify(record.mismatch ?? '')}`,
    )
  return record
}

/** Each case is {sessions, size, messages, accepted, delivered}, the last two what is wanted of the ratio. */
export const smtpCases = [
  { sessions: 1, size: 4_096, messages: 1_500, accepted: '≥ 2', delivered: undefined },
  { sessions: 10, size: 4_096, messages: 4_000, accepted: '≥ 4', delivered: '≥ 8' },
  { sessions: 50, size: 4_096, messages: 4_000, accepted: '≥ 4', delivered: '≥ 8' },
  { sessions: 100, size: 4_096, messages: 4_000, accepted: '≥ 4', delivered: '≥ 8' },
  { sessions: 10, size: 51_200, messages: 2_000, accepted: undefined, delivered: '≥ 6' },
  { sessions: 50, size: 51_200, messages: 2_000, accepted: undefined, delivered: '≥ 6' },
  { sessions: 10, size: 1_048_576, messages: 200, accepted: undefined, delivered: '≥ 4' },
]
export const lmtpCases = [
  { sessions: 1, size: 4_096, messages: 1_500, delivered: '≥ 5' },
  { sessions: 10, size: 4_096, messages: 4_000, delivered: '≥ 5' },
  { sessions: 50, size: 4_096, messages: 4_000, delivered: '≥ 5' },
  { sessions: 10, size: 51_200, messages: 2_000, delivered: '≥ 5' },
]
const sized = (size) => (size >= 1_048_576 ? `${size / 1_048_576} MiB` : `${size / 1_024} KiB`)

/**
 * Accepting is measured alone on both sides, with nobody polling by IMAP, and Postfix accepts for `discard:`, so that delivery does not slow it.
 * One repetition of each side in turn, so that a neighbour's load meets both.
 */
export async function inboundPhase({ figures, protocol, sides, reps, wait, sessions, messages }) {
  const cases = (protocol === 'smtp' ? smtpCases : lmtpCases).filter(
    (one) => !sessions || sessions.includes(one.sessions),
  )
  const once = (side, one, ...rest) =>
    bench(
      '127.0.0.1',
      side[protocol],
      ...(protocol === 'lmtp' ? ['--lmtp'] : []),
      '--users',
      10,
      '--sessions',
      one.sessions,
      '--size',
      one.size,
      '--reps',
      1,
      '--maxfactor',
      1,
      '--wait',
      wait,
      '--rsspid',
      side.pids.join(','),
      '--messages',
      messages ?? one.messages,
      ...rest,
    )
  const delivering = (side, one) => once(side, one, '--rcpt', side.user('%d'), '--imap', `127.0.0.1:${side.imap}`)
  for (const side of sides) delivering(side, { sessions: 10, size: 4_096, messages: 4_000 })
  for (const one of cases) {
    const label = `${sized(one.size)}, ${one.sessions} ${one.sessions === 1 ? 'session' : 'sessions'}`
    const names = {
      accepted: `${protocol} accepted, ${label}`,
      delivered: `${protocol} delivered, ${label}`,
      cpu: `${protocol} CPU a delivered message, ${label}`,
      memory: `memory at its most, ${protocol}, ${label}`,
    }
    for (let rep = 0; rep < reps; rep++)
      for (const side of sides) {
        const all = delivering(side, one)
        figures.add(
          names.delivered,
          { unit: '/s', wanted: one.delivered },
          side.name,
          all.delivered_median,
          all.noise[0],
        )
        figures.add(names.cpu, { unit: 'ms', wanted: '≤ 0.125' }, side.name, all.cpu_ms_per_msg, all.noise[0])
        figures.add(names.memory, { unit: 'MB' }, side.name, Math.round(all.mem_peak.pss_kb / 1024), all.noise[0])
        if (protocol === 'smtp') {
          const alone = once(side, one, '--rcpt', side.accepting('%d'))
          figures.add(
            names.accepted,
            { unit: '/s', wanted: one.accepted },
            side.name,
            alone.accepted_median,
            alone.noise[0],
          )
        }
      }
    for (const name of Object.values(names)) figures.say(name)
  }
  if (protocol !== 'smtp') return
  const p99 = 'smtp accepting 4 KiB, 10 sessions, p99'
  const p50 = 'smtp accepting 4 KiB, 10 sessions, p50'
  for (let rep = 0; rep < reps; rep++)
    for (const side of sides) {
      const record = once(
        side,
        { sessions: 10, size: 4_096, messages: 2_000 },
        '--gen',
        'node',
        '--rcpt',
        side.user('%d'),
      )
      figures.add(p50, { unit: 'ms' }, side.name, record.p50_ms, record.noise[0])
      figures.add(p99, { unit: 'ms', wanted: '≤ 0.1' }, side.name, record.p99_ms, record.noise[0])
    }
  figures.say(p50)
  figures.say(p99)
}
