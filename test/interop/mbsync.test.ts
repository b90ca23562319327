// isync's mbsync keeps a Maildir and the server equal, both ways, without a difference.

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { full, type Installation, run, startInstallation } from '../server.ts'
import { curl, needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

async function prepare(server: Installation) {
  const home = join(server.folder, 'mbsync')
  await mkdir(join(home, 'mail'), { recursive: true })
  const config = join(home, 'mbsyncrc')
  await writeFile(
    config,
    `IMAPAccount posthorn
Host 127.0.0.1
Port ${server.ports.imap}
User ada@posthorn.test
Pass "correct horse"
SSLType None
AuthMechs PLAIN

IMAPStore far
Account posthorn

MaildirStore near
Path ${home}/mail/
Inbox ${home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
CopyArrivalDate yes
`,
  )
  const sync = async () => {
    const ran = await run('mbsync', ['-c', config, '-a'], { timeoutMs: 120_000 })
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    return ran.stdout + ran.stderr
  }
  const files = async (mailbox: string) => {
    const found: string[] = []
    for (const folder of ['cur', 'new'])
      for (const name of await readdir(join(home, 'mail', mailbox, folder)))
        found.push(join(home, 'mail', mailbox, folder, name))
    return found.sort()
  }
  return { home, sync, files }
}

const text = (n: number) =>
  `From: eve@elsewhere.test\r\nTo: ada@posthorn.test\r\nSubject: message ${n}\r\nMessage-ID: <m${n}@elsewhere.test>\r\nDate: Mon, 02 Jan 2023 03:04:05 +0100\r\n\r\nBody ${n}: gr\u00fc\u00dfe\r\n${'.\r\n'.repeat(n % 5)}`

test('mbsync pulls, pushes, flags, moves and removes until both sides are equal', {
  skip: await needs('mbsync', 'SASL PLAIN', 'curl'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const { home, sync, files } = await prepare(server)
  const count = full ? 1_000 : 100
  const base = `imap://127.0.0.1:${server.ports.imap}`
  const imap = (request: string, mailbox = '') =>
    curl('--user', 'ada@posthorn.test:correct horse', `${base}/${mailbox}`, '--request', request)

  await sync()
  assert.deepEqual((await readdir(join(home, 'mail'))).filter((name) => !name.startsWith('.')).sort(), [
    'Archive',
    'Drafts',
    'INBOX',
    'Junk',
    'Sent',
    'Trash',
  ])

  // Near to far: files put into the Maildir.
  for (let n = 0; n < count; n++)
    await writeFile(
      join(home, 'mail/INBOX/cur', `${1_700_000_000 + n}.M${n}P1.host:2,${n % 2 ? 'S' : ''}`),
      text(n).replaceAll('\r\n', '\n'),
    )
  await sync()
  assert.match(
    (await imap('STATUS INBOX (MESSAGES UNSEEN)')).stdout,
    new RegExp(`MESSAGES ${count} UNSEEN ${count / 2}`),
  )
  // The bytes are the same on the other side.
  const got = await curl('--user', 'ada@posthorn.test:correct horse', `${base}/INBOX;UID=8`)
  const sent = [...Array(count).keys()].map(text)
  // Between header and body mbsync adds X-TUID only while it transfers.
  assert.ok(sent.includes(got.stdout.replace(/X-TUID: .*\r\n/, '')), got.stdout)

  // Far to near: flags, a copy into another mailbox, a removal.
  assert.equal((await imap('STORE 1:3 +FLAGS (\\Flagged \\Seen)', 'INBOX')).code, 0)
  assert.equal((await imap('COPY 1:10 Archive', 'INBOX')).code, 0)
  assert.equal((await imap('STORE 4 +FLAGS (\\Deleted)', 'INBOX')).code, 0)
  assert.equal((await imap('EXPUNGE', 'INBOX')).code, 0)
  await sync()
  assert.equal((await files('Archive')).length, 10)
  assert.equal((await files('INBOX')).length, count - 1)
  assert.equal((await files('INBOX')).filter((name) => /:2,.*F/.test(name)).length, 3)

  // Near again: a flag, a removal, a move between Maildirs.
  const [first, second, third] = await files('INBOX')
  await rename(first!, first!.replace(/:2,.*/, ':2,ST'))
  await rm(second!)
  await rename(third!, join(home, 'mail/Junk/cur', third!.slice(third!.lastIndexOf('/') + 1).replace(/,U=\d+/, '')))
  await sync()
  assert.match((await imap('STATUS INBOX (MESSAGES)')).stdout, new RegExp(`MESSAGES ${count - 4}\\)`))
  assert.match((await imap('STATUS Junk (MESSAGES)')).stdout, /MESSAGES 1\)/)

  // Nothing is left to do: a further run changes no file.
  const before = await files('INBOX')
  await sync()
  assert.deepEqual(await files('INBOX'), before)
  assert.ok((await readFile(before[0]!)).length > 0)
})
