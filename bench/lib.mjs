// Shared helpers: seeded corpus, raw IMAP client, PSS of a process tree, stats.

import fs from 'node:fs'
import net from 'node:net'
export const now = () => Number(process.hrtime.bigint()) / 1e6 // ms
export const median = (a) => {
  const s = [...a].sort((x, y) => x - y)
  return s.length ? s[Math.floor((s.length - 1) / 2)] : NaN
}
export const pct = (a, p) => {
  const s = [...a].sort((x, y) => x - y)
  return s.length ? s[Math.min(s.length - 1, Math.floor(s.length * p))] : NaN
}
export const r1 = (x) => Math.round(x * 10) / 10
export const r3 = (x) => Math.round(x * 1000) / 1000
export function args(argv) {
  const pos = [],
    o = {}
  for (let i = 0; i < argv.length; i++) {
    if (argv[i].startsWith('--')) {
      const k = argv[i].slice(2)
      const v = argv[i + 1]
      if (v === undefined || v.startsWith('--')) o[k] = true
      else {
        o[k] = v
        i++
      }
    } else pos.push(argv[i])
  }
  return { pos, o }
}
export function rng(seed) {
  let a = seed >>> 0
  return () => {
    a |= 0
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

// ---- deterministic realistic corpus ------------------------------------
// mix: 68% ~2 KiB text, 24% ~8 KiB alternative, 7% ~40 KiB with base64 part, 1% 300 KiB attachment  (mean ~9 KiB)
export class Corpus {
  constructor(seed = 1) {
    const r = (this.r = rng(seed))
    const syl = [
      'ba',
      'ker',
      'lo',
      'mi',
      'tan',
      'ru',
      'ves',
      'do',
      'shi',
      'pla',
      'ne',
      'gor',
      'ti',
      'sel',
      'fam',
      'qui',
      'zor',
      'hep',
      'wa',
      'cus',
    ]
    const words = []
    for (let i = 0; i < 4000; i++) {
      let w = ''
      const k = 2 + Math.floor(r() * 3)
      for (let j = 0; j < k; j++) w += syl[Math.floor(r() * syl.length)]
      words.push(w)
    }
    this.words = words
    this.w = () => words[Math.floor(r() * r() * words.length)]
    this.para = [] // ~1 KiB each
    for (let i = 0; i < 400; i++) {
      let s = '',
        line = ''
      while (s.length < 1000) {
        const w = this.w()
        if (line.length + w.length > 70) {
          s += line.trim() + '\r\n'
          line = ''
        }
        line += w + ' '
      }
      this.para.push(s + line.trim() + '\r\n\r\n')
    }
    let b = ''
    for (let i = 0; i < 76 * 4000; i++) {
      b += 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'[Math.floor(r() * 64)]
      if (i % 76 === 75) b += '\r\n'
    }
    this.b64 = b
    this.recent = []
    this.i = 0
    this.subjectHits = 0
    this.bodyHits = 0
    this.bytes = 0
    this.t0 = Date.UTC(2024, 0, 1)
  }
  body(n) {
    let s = ''
    while (s.length < n) s += this.para[Math.floor(this.r() * this.para.length)]
    return s
  }
  next() {
    const r = this.r,
      i = this.i++,
      id = `<m${i}.${Math.floor(r() * 1e9)}@corpus.test>`
    let subj,
      refs = '',
      irt = ''
    if (this.recent.length && r() < 0.6) {
      const p = this.recent[Math.floor(r() * this.recent.length)]
      subj = 'Re: ' + p.subj
      const chain = [...p.refs, p.id].slice(-10)
      irt = `In-Reply-To: ${p.id}\r\n`
      refs = `References: ${chain.join('\r\n ')}\r\n`
      this.push({ subj: p.subj, refs: chain, id })
    } else {
      subj = [this.w(), this.w(), this.w(), this.w(), String(i)].join(' ')
      if (r() < 0.005) subj += ' xneedlex'
      this.push({ subj, refs: [], id })
    }
    if (subj.includes('xneedlex')) this.subjectHits++
    const s1 = Math.floor(r() * 500),
      d = new Date(this.t0 + i * 60000 * 7).toUTCString().replace('GMT', '+0000')
    const hdr = `Return-Path: <s${s1}@example.org>\r\nReceived: from mta${s1 % 7}.example.org (mta${s1 % 7}.example.org [192.0.2.${s1 % 200}])\r\n\tby mx.example.net (Postfix) with ESMTPS id ${(i * 7919).toString(16)}\r\n\tfor <user@example.net>; ${d}\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=k1;\r\n\th=from:to:subject:date; bh=${this.b64.slice(0, 44)};\r\n\tb=${this.b64.slice(100, 170)}\r\nFrom: "${this.words[s1]} ${this.words[s1 + 1]}" <s${s1}@example.org>\r\nTo: User Name <user@example.net>${r() < 0.3 ? ', "Other, Person" <other@example.com>' : ''}\r\nSubject: ${subj}\r\nDate: ${d}\r\nMessage-ID: ${id}\r\n${irt}${refs}MIME-Version: 1.0\r\nX-Mailer: corpus 1\r\n`
    const k = r()
    let hit = ''
    if (r() < 0.002) {
      hit = 'the yhaystacky word is here\r\n'
      this.bodyHits++
    }
    const bd = '=_b' + i
    let m
    const txt = (n) =>
      `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n${hit}${this.body(n)}`
    if (k < 0.68) m = hdr + txt(1200)
    else if (k < 0.92)
      m =
        hdr +
        `Content-Type: multipart/alternative; boundary="${bd}"\r\n\r\n--${bd}\r\n${txt(2500)}\r\n--${bd}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>${this.body(4000)}</p></body></html>\r\n--${bd}--\r\n`
    else {
      const n = k < 0.99 ? 38000 : 295000
      m =
        hdr +
        `Content-Type: multipart/mixed; boundary="${bd}"\r\n\r\n--${bd}\r\n${txt(1500)}\r\n--${bd}\r\nContent-Type: application/pdf; name="f.pdf"\r\nContent-Disposition: attachment; filename="f${i}.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n${this.b64.slice(0, n - (n % 78))}\r\n--${bd}--\r\n`
    }
    const buf = Buffer.from(m, 'latin1')
    this.bytes += buf.length
    return buf
  }
  push(x) {
    this.recent.push(x)
    if (this.recent.length > 200) this.recent.shift()
  }
}

// ---- minimal fast IMAP client -------------------------------------------
export class Imap {
  constructor(host, port, timeout = 600000) {
    this.host = host
    this.port = +port
    this.tagn = 0
    this.pend = new Map()
    this.skip = 0
    this.tail = null
    this.inUntagged = false
    this.bytes = 0
    this.onLine = null
    this.cont = []
    this.greet = null
    this.timeout = timeout
    this.closed = false
  }
  connect() {
    return new Promise((res, rej) => {
      const s = (this.s = net.connect({ host: this.host, port: this.port, noDelay: true }))
      this.greet = res
      s.on('error', (e) => {
        this.err = e
        rej(e)
        this.failAll(e)
      })
      s.on('close', () => {
        this.closed = true
        this.failAll(new Error('closed'))
      })
      s.on('data', (d) => this.data(d))
    })
  }
  failAll(e) {
    for (const p of this.pend.values()) p.rej(e)
    this.pend.clear()
    for (const c of this.cont) c.rej(e)
    this.cont = []
  }
  data(d) {
    this.bytes += d.length
    if (this.tail) {
      d = Buffer.concat([this.tail, d])
      this.tail = null
    }
    let i = 0
    const n = d.length
    while (i < n) {
      if (this.skip) {
        const k = Math.min(this.skip, n - i)
        i += k
        this.skip -= k
        continue
      }
      const e = d.indexOf(10, i)
      if (e < 0) {
        this.tail = Buffer.from(d.subarray(i))
        return
      }
      // literal?
      if (e >= 2 && d[e - 2] === 125) {
        // '}'
        let j = e - 3,
          mul = 1,
          v = 0,
          ok = false
        while (j >= i && d[j] >= 48 && d[j] <= 57) {
          v += (d[j] - 48) * mul
          mul *= 10
          j--
          ok = true
        }
        if (ok && d[j] === 123) {
          if (this.onLine && !this.inUntagged) this.line(d, i, e)
          this.inUntagged = true
          this.skip = v
          i = e + 1
          continue
        }
      }
      if (this.inUntagged) {
        this.inUntagged = false
        this.untagged++
        i = e + 1
        continue
      } // tail of a line that had literals
      this.line(d, i, e)
      i = e + 1
    }
  }
  line(d, i, e) {
    const c = d[i]
    if (c === 42) {
      // *
      if (this.greet) {
        const g = this.greet
        this.greet = null
        this.banner = d.toString('latin1', i, e)
        g(this.banner)
        return
      }
      if (d[e - 2] !== 125) this.untagged++
      if (this.onLine) this.onLine(d, i, e)
      return
    }
    if (c === 43) {
      const p = this.cont.shift()
      if (p) p.res()
      return
    }
    const l = d.toString('latin1', i, e).trimEnd()
    const sp = l.indexOf(' ')
    const t = l.slice(0, sp)
    const p = this.pend.get(t)
    if (p) {
      this.pend.delete(t)
      const st = l.slice(sp + 1)
      if (p.ok && !st.startsWith('OK')) p.rej(new Error(p.cmd.slice(0, 80) + ' -> ' + l))
      else p.res(st)
    }
  }
  // send one command; returns tagged text
  cmd(c, ok = true) {
    const t = 'a' + ++this.tagn
    return new Promise((res, rej) => {
      this.pend.set(t, { res, rej, ok, cmd: c })
      this.s.write(t + ' ' + c + '\r\n', 'latin1')
    })
  }
  // timed command, counts untagged lines & bytes
  async timed(c, onLine = null) {
    this.untagged = 0
    this.onLine = onLine
    const b0 = this.bytes,
      t0 = now()
    const r = await this.cmd(c)
    const ms = now() - t0
    this.onLine = null
    return { ms, lines: this.untagged, bytes: this.bytes - b0, r }
  }
  async login(u, p) {
    await this.connect()
    return this.cmd(`LOGIN "${u}" "${p}"`)
  }
  async caps() {
    let s = ''
    this.onLine = (d, i, e) => {
      const l = d.toString('latin1', i, e).trim()
      if (/^\* CAPABILITY/i.test(l)) s = l.slice(13)
    }
    await this.cmd('CAPABILITY')
    this.onLine = null
    return (this.capset = new Set(s.toUpperCase().split(' ')))
  }
  // APPEND of one or more messages (MULTIAPPEND when >1)
  append(mbox, msgs, litplus) {
    const t = 'a' + ++this.tagn
    return new Promise((res, rej) => {
      this.pend.set(t, { res, rej, ok: true, cmd: 'APPEND' })
      if (litplus) {
        const parts = [Buffer.from(`${t} APPEND ${mbox}`)]
        for (const m of msgs) parts.push(Buffer.from(` {${m.length}+}\r\n`), m)
        parts.push(Buffer.from('\r\n'))
        this.s.write(Buffer.concat(parts))
      } else
        (async () => {
          this.s.write(`${t} APPEND ${mbox}`)
          for (const m of msgs) {
            const c = new Promise((res, rej) => this.cont.push({ res, rej }))
            this.s.write(` {${m.length}}\r\n`)
            await c
            this.s.write(m)
          }
          this.s.write('\r\n')
        })().catch(rej)
    })
  }
  async status(mbox) {
    let n = -1
    this.onLine = (d, i, e) => {
      const m = /MESSAGES (\d+)/.exec(d.toString('latin1', i, e))
      if (m) n = +m[1]
    }
    await this.cmd(`STATUS ${mbox} (MESSAGES)`)
    this.onLine = null
    return n
  }
  end() {
    try {
      this.s.destroy()
    } catch {}
  }
  async logout() {
    try {
      await this.cmd('LOGOUT', false)
    } catch {}
    this.end()
  }
}

// ---- memory of a process tree (KiB) -----------------------------------
export function treeMem(pid) {
  const kids = new Map() // ppid -> [pid]
  for (const e of fs.readdirSync('/proc'))
    if (/^\d+$/.test(e))
      try {
        const st = fs.readFileSync(`/proc/${e}/stat`, 'latin1')
        const f = st.slice(st.lastIndexOf(')') + 2).split(' ')
        const pp = +f[1]
        if (!kids.has(pp)) kids.set(pp, [])
        kids.get(pp).push(+e)
      } catch {}
  let rss = 0,
    pss = 0,
    n = 0,
    cpu = 0
  const st = [+pid]
  while (st.length) {
    const p = st.pop()
    try {
      const t = fs.readFileSync(`/proc/${p}/smaps_rollup`, 'latin1')
      rss += +/^Rss:\s+(\d+)/m.exec(t)[1]
      pss += +/^Pss:\s+(\d+)/m.exec(t)[1]
      n++
      const s = fs.readFileSync(`/proc/${p}/stat`, 'latin1')
      const f = s.slice(s.lastIndexOf(')') + 2).split(' ')
      cpu += (+f[13] + +f[14]) / 100
      for (const t of fs.readdirSync(`/proc/${p}/task`))
        cpu += +fs.readFileSync(`/proc/${p}/task/${t}/schedstat`, 'latin1').split(' ')[0] / 1e9
    } catch {}
    for (const k of kids.get(p) || []) st.push(k)
  }
  return { procs: n, rss_kb: rss, pss_kb: pss, cpu_s: r3(cpu) }
}

// ---- noise control -------------------------------------------------------
const stat = () => {
  const f = fs.readFileSync('/proc/stat', 'latin1').split('\n')[0].trim().split(/\s+/).slice(1).map(Number)
  return { busy: (f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) / 100, total: f.slice(0, 8).reduce((a, b) => a + b) / 100 }
}
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms))
// wait until machine is >=min idle over 0.7 s, at most maxMs; returns idle share seen last
export async function waitQuiet(maxMs = 30000, min = 0.8) {
  const t0 = now()
  let idle
  do {
    const a = stat()
    await sleep(700)
    const b = stat()
    idle = 1 - (b.busy - a.busy) / Math.max(0.01, b.total - a.total)
  } while (idle < min && now() - t0 < maxMs)
  return r3(idle)
}
// share of the machine's CPU used by processes that are neither this tool nor the listed server trees
export function meter(pids) {
  const own = () => [process.pid, ...pids].reduce((a, p) => a + treeMem(p).cpu_s, 0)
  const o0 = own(),
    s0 = stat()
  return () => {
    const s1 = stat(),
      o1 = own()
    const tot = Math.max(0.02, s1.total - s0.total)
    return { foreign: r3(Math.max(0, s1.busy - s0.busy - (o1 - o0)) / tot), own: r3((o1 - o0) / tot) }
  }
}
