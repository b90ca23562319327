// Reading and filing mail by IMAP, ours and each of Dovecot's formats in turn within each repetition.

import { Corpus, Imap, median, meter, now, pct, sleep, waitQuiet } from './lib.mjs'

const reader = 200

/** A connection of the reader of `side`, with `mailbox` selected when given. */
async function open(side, mailbox, user = reader) {
  const connection = new Imap('127.0.0.1', side.imap)
  await connection.login(side.user(user), 'pass')
  if (mailbox) await connection.cmd(`SELECT ${mailbox}`)
  return connection
}
const timed = async (side, mailbox, command, { lines } = {}) => {
  const connection = await open(side, mailbox)
  const answer = await connection.timed(command)
  await connection.logout()
  if (lines !== undefined && answer.lines !== lines)
    throw new Error(`${side.name}: ${command} gave ${answer.lines} lines, not ${lines}`)
  return answer
}
/** How many numbers stood in SEARCH or SORT. */
async function found(side, mailbox, command, hits) {
  const connection = await open(side, mailbox)
  let n
  const answer = await connection.timed(command, (data, from, to) => {
    const m = /^\* (?:SEARCH|SORT)(.*)/.exec(data.toString('latin1', from, to))
    if (m) n = m[1].trim().split(' ').filter(Boolean).length
  })
  await connection.logout()
  if (hits !== undefined && n !== hits) throw new Error(`${side.name}: ${command} found ${n}, not ${hits}`)
  return answer.ms
}
async function anew(connection, ...mailboxes) {
  for (const mailbox of mailboxes) {
    await connection.cmd(`DELETE ${mailbox}`, false)
    await connection.cmd(`CREATE ${mailbox}`)
  }
}

/** Fills `mailbox` with the first `n` messages of the corpus by MULTIAPPEND; messages a second. */
export async function fill(side, mailbox, n, user = reader, seed = 42) {
  const corpus = new Corpus(seed)
  const connection = await open(side, undefined, user)
  await anew(connection, mailbox)
  const began = now()
  let making = 0
  const under = []
  for (let i = 0; i < n; ) {
    const before = now()
    const batch = Array.from({ length: Math.min(100, n - i) }, () => corpus.next())
    making += now() - before
    i += batch.length
    under.push(connection.append(mailbox, batch, true))
    if (under.length >= 2) await under.shift()
  }
  await Promise.all(under)
  const rate = (n / (now() - began - making)) * 1_000
  if ((await connection.status(mailbox)) !== n) throw new Error(`${side.name}: ${mailbox} is not full`)
  await connection.logout()
  return { rate, corpus }
}

const header = 'FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES CONTENT-TYPE'
const structure = 'FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE)'

/** The operations on a mailbox of `n` messages: name, what is wanted of `first` and `again`, and the command. */
const reads = (n, hits) => [
  {
    name: 'SELECT',
    wanted: ['≤ 2', '≤ 1'],
    again: 7,
    once: async (side, box) => (await timed(side, undefined, `SELECT ${box}`)).ms,
  },
  {
    name: 'FETCH 1:* (FLAGS UID)',
    wanted: [undefined, '≤ 1'],
    once: async (side, box) => (await timed(side, box, 'FETCH 1:* (FLAGS UID)', { lines: n })).ms,
  },
  {
    name: 'FETCH 1:* ENVELOPE',
    wanted: ['≤ 0.1', '≤ 0.5'],
    once: async (side, box) => (await timed(side, box, 'FETCH 1:* ENVELOPE', { lines: n })).ms,
  },
  {
    name: 'FETCH 1:* BODYSTRUCTURE',
    wanted: ['≤ 0.1', '≤ 0.5'],
    once: async (side, box) => (await timed(side, box, structure, { lines: n })).ms,
  },
  {
    name: 'FETCH 1:* header fields',
    wanted: ['≤ 0.1', '≤ 0.5'],
    once: async (side, box) =>
      (await timed(side, box, `FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (${header})])`, { lines: n })).ms,
  },
  { name: 'SEARCH UNSEEN', wanted: [undefined, '≤ 1'], once: (side, box) => found(side, box, 'SEARCH UNSEEN') },
  {
    name: 'SEARCH SINCE',
    wanted: [undefined, '≤ 1'],
    once: (side, box) => found(side, box, 'SEARCH SINCE 1-Jan-2025'),
  },
  {
    name: 'SEARCH SUBJECT',
    wanted: [undefined, '≤ 0.1'],
    once: (side, box) => found(side, box, 'SEARCH SUBJECT xneedlex', hits.subjectHits),
  },
  {
    name: 'SEARCH FROM',
    wanted: [undefined, '≤ 0.1'],
    once: (side, box) => found(side, box, 'SEARCH FROM s77@example.org'),
  },
  {
    name: 'SEARCH HEADER Message-ID',
    wanted: [undefined, '≤ 0.1'],
    once: (side, box) => found(side, box, 'SEARCH HEADER Message-ID nosuchid', 0),
  },
  {
    name: 'SORT (SUBJECT)',
    wanted: ['≤ 0.2', '≤ 0.5'],
    once: (side, box) => found(side, box, 'SORT (SUBJECT) UTF-8 ALL', n),
  },
  {
    name: 'SORT (REVERSE DATE)',
    wanted: ['≤ 0.2', '≤ 0.5'],
    once: (side, box) => found(side, box, 'SORT (REVERSE DATE) UTF-8 ALL', n),
  },
  {
    name: 'SORT (FROM)',
    wanted: ['≤ 0.2', '≤ 0.5'],
    once: (side, box) => found(side, box, 'SORT (FROM) UTF-8 ALL', n),
  },
  {
    name: 'THREAD REFERENCES',
    wanted: ['≤ 0.2', '≤ 0.5'],
    once: async (side, box) => (await timed(side, box, 'THREAD REFERENCES UTF-8 ALL')).ms,
  },
]
const bodySearches = (hits, wanted) => [
  { name: 'SEARCH BODY', wanted, once: (side, box) => found(side, box, 'SEARCH BODY yhaystacky', hits.bodyHits) },
  { name: 'SEARCH TEXT', wanted, once: (side, box) => found(side, box, 'SEARCH TEXT yhaystacky', hits.bodyHits) },
]

export async function imapPhase({ figures, sides, reps, n, wait, only }) {
  const label = n >= 1_000_000 ? `${n / 1_000_000}M` : n >= 1_000 ? `${n / 1_000}k` : `${n}`
  const box = `bench${label}`
  const warm = 'warm'
  const texts = only?.toLowerCase().split(',')
  const due = (name) => !texts || texts.some((text) => name.toLowerCase().includes(text))
  /** `once` on each side in turn, `reps` times; `cold`: each time on a server that was started anew. It answers with an object: figure → value. */
  const measure = async (name, abouts, once, { times = reps, on = sides, cold = false } = {}) => {
    if (!due(name)) return
    for (let rep = 0; rep < times; rep++)
      for (const side of on) {
        await waitQuiet(wait)
        if (cold) await side.cold()
        const noise = meter(side.pids)
        const values = await once(side)
        const { foreign } = noise()
        for (const [figure, value] of Object.entries(values))
          figures.add(figure, abouts[figure], side.name, value, foreign)
      }
    for (const figure of Object.keys(abouts)) figures.say(figure)
  }

  let hits
  const filled = `fill by MULTIAPPEND, ${label}`
  for (const side of sides) {
    const noise = meter(side.pids)
    const { rate, corpus } = await fill(side, box, n)
    figures.add(filled, { unit: '/s' }, side.name, rate, noise().foreign)
    hits = corpus
    await fill(side, warm, 2_000, reader, 7)
  }
  figures.say(filled)
  // So few would wait two minutes for their turn.
  if (n >= 1_000) for (const side of sides) await side.indexed?.()

  // First: a server that has this mailbox neither in memory nor in its cache, but has its code in use, by the same on another mailbox.
  for (const { name, wanted, once, again = 3 } of reads(n, hits)) {
    const first = `${name} first, ${label}`
    const later = `${name} again, ${label}`
    await measure(
      name,
      { [first]: { unit: 'ms', wanted: wanted[0] }, [later]: { unit: 'ms', wanted: wanted[1] } },
      async (side) => {
        const inWarm = reads(2_000, {}).find((read) => read.name === name)
        for (let i = 0; i < 3; i++) await inWarm.once(side, warm)
        const value = await once(side, box)
        const more = []
        for (let i = 0; i < again; i++) more.push(await once(side, box))
        return { [first]: value, [later]: median(more) }
      },
      { cold: true },
    )
  }
  // Each command alone on one connection; the first `warmUp` of them do not count.
  const latency = (name, { count, warmUp }, commandAt) => {
    const [p50, p99] = ['p50', 'p99'].map((p) => `${name} ${p}, ${label}`)
    const about = { unit: 'ms', wanted: '≤ 1' }
    return measure(name, { [p50]: about, [p99]: about }, async (side) => {
      const connection = await open(side, box)
      const took = []
      for (let i = 0; i < count; i++) took.push((await connection.timed(commandAt(i))).ms)
      await connection.logout()
      return { [p50]: median(took.slice(warmUp)), [p99]: pct(took.slice(warmUp), 0.99) }
    })
  }
  await latency('page of 50', { count: 300, warmUp: 100 }, (i) => {
    const last = n - ((i * 37) % (n - 60))
    return `FETCH ${last - 49}:${last} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)`
  })
  await latency('one body', { count: 1_000, warmUp: 300 }, (i) => `FETCH ${1 + ((i * 7919) % n)} BODY.PEEK[]`)
  const bodies = `all bodies, ${label}`
  await measure('all bodies', { [bodies]: { unit: 'MB/s', wanted: '≥ 1' } }, async (side) => {
    const most = Math.min(n, 20_000)
    const took = []
    for (let i = 0; i < 2; i++) took.push(await timed(side, box, `FETCH 1:${most} BODY.PEEK[]`))
    return { [bodies]: took[1].bytes / took[1].ms / 1_000 }
  })
  for (const { name, wanted, once } of bodySearches(hits, '≤ 0.01')) {
    const figure = `${name} indexed, ${label}`
    await measure(figure, { [figure]: { unit: 'ms', wanted } }, async (side) => {
      // Dovecot reads every message each time: once is enough where that takes seconds.
      if (side.name === 'posthorn') for (let i = 0; i < 3; i++) await once(side, box)
      return { [figure]: await once(side, box) }
    })
  }
  if (due('scanned')) {
    const ours = sides.find((side) => side.name === 'posthorn')
    await ours?.cold({ search: { index: false } })
    for (const { name, wanted, once } of bodySearches(hits, '≤ 0.2')) {
      const figure = `${name} scanned, ${label}`
      await measure(figure, { [figure]: { unit: 'ms', wanted } }, async (side) => {
        if (side.name === 'posthorn') await once(side, box)
        return { [figure]: await once(side, box) }
      })
    }
    await ours?.cold()
  }

  const stores = [
    [`STORE 1:* +FLAGS, ${label}`, '≤ 1.5', 'FLAGS (\\Flagged)'],
    [`STORE 1:* +FLAGS.SILENT, ${label}`, '≤ 1.5', 'FLAGS.SILENT (\\Answered)'],
  ]
  for (const [figure, wanted, flags] of stores)
    await measure(figure, { [figure]: { unit: 'ms', wanted } }, async (side) => {
      const connection = await open(side, box)
      const took = []
      for (const sign of ['+', '-', '+', '-', '+', '-'])
        took.push((await connection.timed(`STORE 1:* ${sign}${flags}`)).ms)
      await connection.logout()
      return { [figure]: median(took.slice(2)) }
    })
  const storeOne = `STORE one, ${label}`
  await measure('STORE one', { [storeOne]: { unit: 'ms' } }, async (side) => {
    const connection = await open(side, box)
    const took = []
    for (let i = 0; i < 500; i++)
      took.push((await connection.timed(`STORE ${1 + ((i * 7919) % n)} ${i % 2 ? '-' : '+'}FLAGS (\\Seen)`)).ms)
    await connection.logout()
    return { [storeOne]: median(took.slice(100)) }
  })
  const some = Math.min(1_000, n)
  const three = ['COPY', 'MOVE', 'EXPUNGE'].map((verb) => `${verb} ${some}, ${label}`)
  await measure(
    'COPY MOVE EXPUNGE',
    Object.fromEntries(three.map((name) => [name, { unit: 'ms', wanted: '≤ 1' }])),
    async (side) => {
      const took = { COPY: [], MOVE: [], EXPUNGE: [] }
      for (let i = 0; i < 3; i++) {
        const connection = await open(side)
        await anew(connection, 'copied', 'moved')
        await connection.cmd(`SELECT ${box}`)
        took.COPY.push((await connection.timed(`COPY 1:${some} copied`)).ms)
        await connection.cmd('SELECT copied')
        took.MOVE.push((await connection.timed('MOVE 1:* moved')).ms)
        await connection.cmd('SELECT moved')
        await connection.cmd('STORE 1:* +FLAGS.SILENT (\\Deleted)')
        took.EXPUNGE.push((await connection.timed('EXPUNGE')).ms)
        await connection.logout()
      }
      return Object.fromEntries(Object.values(took).map((values, i) => [three[i], median(values)]))
    },
  )
}

const appended = Buffer.from(
  `From: a@x.test\r\nTo: b@x.test\r\nSubject: append\r\nMessage-ID: <ap@x>\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(55)}`,
)
export async function appendPhase({ figures, sides, reps, wait }) {
  const ways = {
    'APPEND one by one': [
      '≥ 1',
      500,
      async (connection, k) => {
        for (let i = 0; i < k; i++) await connection.append('appended', [appended], true)
      },
    ],
    'APPEND 32 in flight': [
      '≥ 4',
      2_000,
      async (connection, k) => {
        const under = []
        for (let i = 0; i < k; i++) {
          under.push(connection.append('appended', [appended], true))
          if (under.length >= 32) await under.shift()
        }
        await Promise.all(under)
      },
    ],
    'MULTIAPPEND of 100': [
      '≥ 0.5',
      5_000,
      async (connection, k) => {
        for (let i = 0; i < k; i += 100) await connection.append('appended', Array(100).fill(appended), true)
      },
    ],
    'APPEND, 10 connections': [
      '≥ 1',
      2_000,
      async (_, k, side) => {
        const ten = await Promise.all(Array.from({ length: 10 }, () => open(side)))
        await Promise.all(
          ten.map(async (connection) => {
            for (let i = 0; i < k / 10; i++) await connection.append('appended', [appended], true)
          }),
        )
        for (const connection of ten) await connection.logout()
      },
    ],
  }
  for (const [figure, [wanted, k, way]] of Object.entries(ways)) {
    for (let rep = 0; rep <= reps; rep++)
      for (const side of sides) {
        const connection = await open(side)
        await anew(connection, 'appended')
        await waitQuiet(wait)
        const noise = meter(side.pids)
        const began = now()
        await way(connection, k, side)
        const rate = (k / (now() - began)) * 1_000
        if ((await connection.status('appended')) !== k) throw new Error(`${side.name}: ${figure} lost something`)
        await connection.logout()
        // The first repetition warms up.
        if (rep > 0) figures.add(figure, { unit: '/s', wanted }, side.name, rate, noise().foreign)
      }
    figures.say(figure)
  }
}

export async function loginPhase({ figures, sides, reps, wait, logins = 300 }) {
  for (const at of [1, 10]) {
    const figure = `login and logout, ${at} at a time`
    for (let rep = 0; rep <= reps; rep++)
      for (const side of sides) {
        await waitQuiet(wait)
        const noise = meter(side.pids)
        const began = now()
        let left = logins
        await Promise.all(
          Array.from({ length: at }, async () => {
            while (left-- > 0) await (await open(side)).logout()
          }),
        )
        if (rep > 0)
          figures.add(
            figure,
            { unit: '/s', wanted: '≥ 4' },
            side.name,
            (logins / (now() - began)) * 1_000,
            noise().foreign,
          )
      }
    figures.say(figure)
  }
}

/** Connections that wait in IDLE: what each costs, and how long until the last of them hears of a message. */
export async function idlePhase({ figures, sides, counts, wait }) {
  for (const count of counts)
    for (const side of sides) {
      // What a rush has left in memory is given back later than we wait: both begin at rest.
      await side.cold()
      const first = await open(side)
      await anew(first, 'idle')
      await waitQuiet(wait)
      await sleep(15_000)
      const noise = meter(side.pids)
      const before = side.pss()
      const idlers = []
      let left = count
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          while (left-- > 0) {
            const connection = await open(side, 'idle')
            const waits = new Promise((res, rej) => connection.cont.push({ res, rej }))
            connection.cmd('IDLE').catch(() => {})
            await waits
            idlers.push(connection)
          }
        }),
      )
      // What an idle connection holds, not what signing in left behind.
      await sleep(15_000)
      const each = (side.pss() - before) / count
      const took = []
      const told = (connection, began) =>
        new Promise((done) => {
          connection.onLine = (data, from, to) => {
            if (!data.toString('latin1', from, to).includes('EXISTS')) return
            connection.onLine = null
            took.push(now() - began)
            done()
          }
        })
      // Twice, for the first also compiles.
      for (let i = 0; i < 2; i++) {
        took.length = 0
        const began = now()
        const all = Promise.all(idlers.map((connection) => told(connection, began)))
        await first.append('idle', [Buffer.from('Subject: idle\r\n\r\nx\r\n')], true)
        await Promise.race([all, sleep(60_000)])
        if (took.length < count)
          throw new Error(`${side.name}: ${count - took.length} of ${count} heard nothing in a minute`)
      }
      const { foreign } = noise()
      figures.add(
        `memory of each of ${count} idle connections`,
        { unit: 'KB', wanted: '≤ 25 KB' },
        side.name,
        each,
        foreign,
      )
      figures.add(
        `the last of ${count} watchers hears after`,
        { unit: 'ms', wanted: '≤ 100 ms' },
        side.name,
        Math.max(...took),
        foreign,
      )
      for (const connection of idlers) connection.end()
      await first.logout()
      await sleep(500)
    }
  for (const count of counts) {
    figures.say(`memory of each of ${count} idle connections`)
    figures.say(`the last of ${count} watchers hears after`)
  }
}
