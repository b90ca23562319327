// node report.mjs file... : one line per smtpbench JSON record
import fs from 'node:fs'

for (const f of process.argv.slice(2))
  for (const l of fs.readFileSync(f, 'utf8').split('\n')) {
    const i = l.indexOf('{')
    if (i < 0) {
      if (/^##/.test(l)) console.log(l)
      continue
    }
    let r
    try {
      r = JSON.parse(l.slice(i))
    } catch {
      continue
    }
    console.log(
      l.slice(0, i),
      r.lmtp ? 'lmtp' : 'smtp',
      r.reuse ? 'reuse' : '',
      r.gen,
      's=' + r.sessions,
      'z=' + r.size,
      'acc',
      JSON.stringify(r.accepted),
      'del',
      JSON.stringify(r.delivered),
      'noise',
      JSON.stringify(r.noise),
      'cpu',
      r.cpu_ms_per_msg,
      'peakpss',
      r.mem_peak?.pss_kb,
      r.p50_ms || '',
      r.p99_ms || '',
      JSON.stringify(r.verify || ''),
      r.failed || '',
      r.err || '',
    )
  }
