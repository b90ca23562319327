// Mail programs of Debian that people read with: offlineimap keeps a Maildir equal, neomutt shows, flags and files.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { full, type Installation, startInstallation } from '../server.ts'
import { openImap } from './answers.ts'
import { offlineimap } from './offlineimap.ts'
import { eventually, needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

const letter = (n: number) =>
  `From: "Grüße ${n}" <eve@elsewhere.test>\r\nTo: ada@posthorn.test\r\nSubject: letter ${n}\r\nMessage-ID: <m${n}@elsewhere.test>\r\nDate: Mon, 02 Jan 2023 03:04:0${n % 10} +0100\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nWort ${n} im Schnee\r\n`

async function fill(server: Installation, mailbox: string, count: number) {
  const imap = openImap(server.ports.imap)
  await imap.ok('LOGIN ada@posthorn.test "correct horse"')
  for (let n = 1; n <= count; n++) await imap.ok(`APPEND ${mailbox} `, Buffer.from(letter(n)))
  return imap
}

test('offlineimap pulls, pushes, flags, moves and removes until both sides are equal', {
  skip: await needs('offlineimap'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const count = full ? 500 : 30
  const imap = await fill(server, 'INBOX', count)
  const { home, sync, files } = await offlineimap(server, {
    user: 'ada@posthorn.test',
    password: 'correct horse',
    connections: 2,
  })
  await sync()
  assert.equal((await files('INBOX')).length, count)
  const texts = await Promise.all((await files('INBOX')).map((file) => readFile(file, 'utf8')))
  assert.deepEqual(
    texts.map((text) => text.replaceAll('\r\n', '\n')).sort(),
    [...Array(count).keys()].map((n) => letter(n + 1).replaceAll('\r\n', '\n')).sort(),
  )

  // Here to there: a flag, a removal, a move, a new message.
  const [first, second, third] = await files('INBOX')
  await rename(first!, first!.replace('/new/', '/cur/').replace(/(:2,.*)?$/, ':2,FS'))
  await rm(second!)
  await rename(third!, join(home, 'mail/Archive/cur', '1700000000.M1P1.host:2,S'))
  await writeFile(join(home, 'mail/Sent/cur/1700000001.M2P1.host:2,S'), letter(9_000).replaceAll('\r\n', '\n'))
  await sync()
  const status = async (mailbox: string) =>
    /\((.*)\)/.exec((await imap.ok(`STATUS ${mailbox} (MESSAGES UNSEEN)`))[0]!.toString())![1]
  assert.equal(await status('INBOX'), `MESSAGES ${count - 2} UNSEEN ${count - 3}`)
  assert.equal(await status('Archive'), 'MESSAGES 1 UNSEEN 0')
  assert.equal(await status('Sent'), 'MESSAGES 1 UNSEEN 0')

  // There to here: flags, a removal, a copy into another mailbox, a new mailbox.
  await imap.ok('CREATE "P&APY-st"')
  await imap.ok('SELECT INBOX')
  await imap.ok('STORE 2:3 +FLAGS (\\Answered)')
  await imap.ok('COPY 2:3 "P&APY-st"')
  await imap.ok('STORE 4 +FLAGS (\\Deleted)')
  await imap.ok('EXPUNGE')
  await sync()
  assert.equal((await files('INBOX')).length, count - 3)
  assert.equal((await files('INBOX')).filter((name) => /:2,\w*R/.test(name)).length, 2)
  assert.equal((await files('P&APY-st')).length, 2)

  const before = await files('INBOX')
  await sync()
  assert.deepEqual(await files('INBOX'), before)
  imap.end()
})

/** neomutt in a terminal of its own. */
async function neomutt(t: { after(fn: () => void): void }, server: Installation) {
  const home = join(server.folder, 'neomutt')
  await mkdir(home, { recursive: true })
  const config = join(home, 'rc')
  const base = `imap://ada%40posthorn.test@127.0.0.1:${server.ports.imap}`
  await writeFile(
    config,
    `set folder = "${base}/"
set spoolfile = "+INBOX"
set imap_pass = "correct horse"
set ssl_starttls = no
set ssl_force_tls = no
set imap_idle = yes
set imap_condstore = yes
set imap_qresync = yes
set header_cache = "${home}/cache"
set delete = yes
set move = no
set confirmappend = no
set confirmcreate = no
set pager_stop = yes
set timeout = 1
set mail_check = 1
set sort = mailbox-order
set charset = utf-8
`,
  )
  const child = spawn('script', ['-qec', `neomutt -n -F ${config}`, '/dev/null'], {
    env: { ...process.env, HOME: home, TERM: 'xterm', LC_ALL: 'C.UTF-8', COLUMNS: '120', LINES: '40' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => void child.kill())
  const ended = new Promise<number | null>((done) => child.on('close', done))
  let drawn = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (drawn += text))
  return {
    ended,
    /** Types keys, and waits until `text` is drawn after that. */
    async type(keys: string, text: RegExp): Promise<void> {
      const from = drawn.length
      child.stdin.write(keys)
      await eventually(`${text} is drawn; there was ${JSON.stringify(drawn.slice(-3000))}`, async () =>
        text.test(drawn.slice(from).replaceAll(ESCAPES, '')),
      )
    },
    keys: (keys: string) => child.stdin.write(keys),
  }
}
// Control sequences of xterm: cursor, colours, character sets.
const ESCAPES = /\u001b(?:\[[0-9;?]*[A-Za-z]|\([A-Z0-9]|[=>])/g

test('neomutt opens INBOX, shows a message, flags, moves, copies, deletes, and idles', {
  skip: await needs('neomutt', 'script'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const imap = await fill(server, 'INBOX', 5)
  const mutt = await neomutt(t, server)
  await mutt.type('', /letter 5/)
  await mutt.type('\r', /Wort 1 im Schnee/)
  await mutt.type('q', /letter 2/)
  await mutt.type('2\rF', /!/)
  mutt.keys('$')
  await imap.ok('SELECT INBOX')
  // It may be refused while messages go: then it is asked again.
  const flags = async () =>
    (await imap.command('FETCH 1:* FLAGS'))
      .map((line) => /FLAGS \(([^)]*)\)/.exec(line.toString())?.[1])
      .filter((line) => line !== undefined)
      .map((line) => line.replace(/ ?\\Recent/, ''))
      .join(' | ')
  await eventually('what was read and flagged is stored', async () =>
    (await flags()).startsWith('\\Seen | \\Flagged | '),
  )

  mutt.keys('3\rs=Archive\r')
  mutt.keys('4\rC=Sent\r')
  mutt.keys('5\rd$')
  await eventually('the moved and the deleted message are gone', async () => {
    await imap.ok('NOOP')
    return (await flags()) === '\\Seen | \\Flagged | '
  })
  for (const mailbox of ['Archive', 'Sent'])
    assert.match((await imap.ok(`STATUS ${mailbox} (MESSAGES)`))[0]!.toString(), /MESSAGES 1\b/)

  // A message that comes while it sits there.
  const before = mutt.type('', /New mail in this mailbox/)
  await imap.ok('APPEND INBOX ', Buffer.from(letter(77)))
  await before
  mutt.keys('q')
  assert.equal(await mutt.ended, 0)
  imap.end()
})
