// Two users and one mailbox, in programs of other people: imaplib shares it and works in it, offlineimap keeps a Maildir equal with it.

import assert from 'node:assert/strict'
import { readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Installation, run, startInstallation } from '../server.ts'
import { openImap } from './answers.ts'
import { offlineimap } from './offlineimap.ts'
import { needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }

const imaplibScript = String.raw`
import imaplib, sys
port = int(sys.argv[1])

def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]

def no(answer):
    assert answer[0] == 'NO', answer

ada, bob = imaplib.IMAP4('127.0.0.1', port), imaplib.IMAP4('127.0.0.1', port)
ok(ada.login('ada@posthorn.test', 'correct horse'))
ok(bob.login('bob@posthorn.test', 'battery staple'))
assert ok(bob.namespace()) == [b'(("" "/")) (("Shared/" "/")) NIL'], bob.namespace()
ok(ada.create('Team'))
for n in range(3):
    ok(ada.append('Team', None, None, f'Subject: plan {n}\r\n\r\nText {n}\r\n'.encode()))
shared = 'Shared/ada@posthorn.test/Team'
no(bob.select(shared))
assert ok(bob.list('Shared/', '*')) == [None], 'nothing is shared yet'

ok(ada.setacl('Team', 'bob@posthorn.test', 'lr'))
assert b'"bob@posthorn.test" lr' in ok(ada.getacl('Team'))[0]
assert b'"Shared/ada@posthorn.test/Team"' in ok(bob.list('Shared/', '*'))[-1]
assert ok(bob.myrights(shared)) == [b'"%s" lr' % shared.encode()]
try:
    bob.select(shared)
    assert False, 'imaplib did not see that it is read-only'
except imaplib.IMAP4.readonly:
    pass
assert ok(bob.select(shared, readonly=True)) == [b'3']
assert ok(bob.search(None, 'SUBJECT', '"plan 1"')) == [b'2']
assert b'Text 1' in ok(bob.fetch('2', '(BODY[TEXT])'))[0][1]
no(bob.append(shared, None, None, b'Subject: no\r\n\r\nno\r\n'))

ok(ada.setacl('Team', 'bob@posthorn.test', '+swite'))
assert ok(bob.select(shared)) == [b'3']
ok(bob.append(shared, '', None, b'Subject: from bob\r\n\r\nHello\r\n'))
ok(bob.store('1', '+FLAGS', r'(\Seen \Flagged)'))
ok(bob.uid('MOVE', '2', 'Archive'))
ok(ada.select('Team'))
assert ok(ada.search(None, 'FLAGGED')) == [b'1'], 'flags are common'
assert ok(ada.search(None, 'ALL')) == [b'1 2 3']
ok(bob.select('Archive'))
assert b'Text 1' in ok(bob.fetch('1', '(BODY[TEXT])'))[0][1]
ok(bob.subscribe(shared))
assert b'Team' in ok(bob.lsub('Shared/', '*'))[-1]
assert ok(bob.getquotaroot('INBOX'))[0] == [b'INBOX'], bob.getquotaroot('INBOX')

ok(ada.deleteacl('Team', 'bob@posthorn.test'))
no(bob.select(shared))
assert ok(bob.list('Shared/', '*')) == [None]
ok(ada.setacl('Team', 'bob@posthorn.test', 'lrswite'))
ada.logout()
bob.logout()
`

async function sharedTeam(server: Installation): Promise<void> {
  const ran = await run('python3', ['-c', imaplibScript, `${server.ports.imap}`])
  assert.equal(ran.code, 0, ran.stderr)
}

test("Python's imaplib shares a mailbox, and another user works in it as far as he may", {
  skip: await needs('python3'),
}, async (t) => {
  await sharedTeam(await startInstallation(t, { users }))
})

test('offlineimap keeps a Maildir equal with a mailbox that somebody shares', {
  skip: await needs('python3', 'offlineimap'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  await sharedTeam(server)
  const { home, sync, files } = await offlineimap(server, {
    user: 'bob@posthorn.test',
    password: 'battery staple',
    connections: 1,
    more: "folderfilter = lambda name: name.startswith('Shared/')",
  })
  const shared = 'Shared/ada@posthorn.test/Team'
  const folder = join(home, 'mail', shared)
  await sync()
  assert.equal((await files(shared)).length, 3)
  // Read and answered here; a new one written here.
  const unread = await readdir(join(folder, 'new'))
  await rename(join(folder, 'new', unread[0]!), join(folder, 'cur', unread[0]!.replace(/(:2,.*)?$/, ':2,RS')))
  await writeFile(join(folder, 'cur/1700000001.M2P1.host:2,S'), 'Subject: from the Maildir\n\nHello\n')
  await sync()
  const ada = openImap(server.ports.imap)
  await ada.ok('LOGIN ada@posthorn.test "correct horse"')
  await ada.ok('SELECT Team')
  const found = async (what: string) =>
    (await ada.ok(`SEARCH ${what}`)).map(String).find((line) => line.includes('* SEARCH'))
  assert.match((await found('ANSWERED SEEN'))!, /SEARCH \d/)
  assert.match((await found('SUBJECT Maildir'))!, /SEARCH 4/)
  ada.end()
})
