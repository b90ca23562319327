// Programs of other people that were away: imapflow comes back with QRESYNC, and Python's imaplib speaks the modes of ENABLE and NOTIFY.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run, startInstallation } from '../server.ts'
import { eventually, needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

interface Opened {
  readonly exists: number
  readonly highestModseq: bigint
  readonly uidValidity: bigint
}
interface Event {
  readonly uid?: number
  readonly vanished?: boolean
  readonly earlier?: boolean
  readonly flags?: Set<string>
  readonly modseq?: bigint
}
interface Flow {
  readonly enabled: Set<string>
  connect(): Promise<void>
  logout(): Promise<void>
  on(event: 'expunge' | 'flags', listener: (event: Event) => void): void
  mailboxOpen(path: string, options?: object): Promise<Opened>
  append(path: string, content: string): Promise<{ uid: number }>
  fetchAll(range: string, query: object, options?: object): Promise<readonly { uid: number; modseq: bigint }[]>
  messageFlagsAdd(range: string, flags: string[], options?: object): Promise<boolean>
  messageDelete(range: string, options?: object): Promise<boolean>
  noop(): Promise<void>
}

test('imapflow is told what changed while it was away, and hears of the rest by UID', async (t) => {
  const { ports } = await startInstallation(t, { users })
  const { ImapFlow } = (await import('imapflow' as string)) as { ImapFlow: new (options: object) => Flow }
  const open = async () => {
    const flow = new ImapFlow({
      host: '127.0.0.1',
      port: ports.imaps,
      secure: true,
      auth: { user: 'ada@posthorn.test', pass: 'correct horse' },
      tls: { rejectUnauthorized: false },
      logger: false,
      qresync: true,
    })
    await flow.connect()
    return flow
  }
  const first = await open()
  assert.ok(first.enabled.has('QRESYNC'), [...first.enabled].join(' '))
  for (let n = 0; n < 5; n++) await first.append('INBOX', `Subject: ${n}\r\n\r\nbody\r\n`)
  const before = await first.mailboxOpen('INBOX')
  assert.equal(before.exists, 5)
  await first.logout()

  const other = await open()
  await other.mailboxOpen('INBOX')
  await other.messageDelete('2,4', { uid: true })
  await other.messageFlagsAdd('5', ['\\Flagged'], { uid: true })

  const back = await open()
  const gone: Event[] = []
  const flagged: Event[] = []
  back.on('expunge', (event) => gone.push(event))
  back.on('flags', (event) => flagged.push(event))
  const after = await back.mailboxOpen('INBOX', {
    changedSince: before.highestModseq,
    uidValidity: before.uidValidity,
  })
  assert.deepEqual([after.exists, after.uidValidity], [3, before.uidValidity])
  assert.ok(after.highestModseq > before.highestModseq)
  assert.deepEqual(
    gone.map(({ uid, vanished, earlier }) => [uid, vanished, earlier]),
    [
      [2, true, true],
      [4, true, true],
    ],
  )
  assert.deepEqual(
    flagged.map(({ uid, flags }) => [uid, flags?.has('\\Flagged')]),
    [[5, true]],
  )
  gone.length = 0
  await other.messageDelete('1', { uid: true })
  await eventually('the expunge is heard of', async () => {
    await back.noop()
    return gone.length > 0
  })
  assert.deepEqual(
    gone.map(({ uid, earlier }) => [uid, earlier ?? false]),
    [[1, false]],
  )
  const changed = await back.fetchAll('1:*', { uid: true }, { uid: true, changedSince: before.highestModseq })
  assert.deepEqual(
    changed.map(({ uid }) => uid),
    [5],
  )
  await back.logout()
  await other.logout()
})

const script = String.raw`
import imaplib, socket, sys
port = int(sys.argv[1])
imaplib.Commands['NOTIFY'] = imaplib.Commands['UIDBATCHES'] = ('AUTH', 'SELECTED')

def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]

def open():
    client = imaplib.IMAP4('127.0.0.1', port)
    ok(client.login('ada@posthorn.test', 'correct horse'))
    return client

writer, reader = open(), open()
for n in range(3):
    ok(writer.append('INBOX', None, None, b'Subject: x\r\n\r\nbody\r\n'))
for name in ('IMAP4REV2', 'CONDSTORE', 'QRESYNC', 'UIDONLY', 'NOTIFY', 'UIDBATCHES', 'INPROGRESS'):
    assert name in reader.capabilities, (name, reader.capabilities)

# IMAP4rev2: SEARCH is answered by ESEARCH, SELECT names the mailbox.
ok(reader.enable('IMAP4rev2'))
ok(reader.select('INBOX'))
assert reader.response('RECENT')[1] == [None], 'RECENT'
assert b'INBOX' in reader.response('LIST')[1][-1]
ok(reader._simple_command('SEARCH', 'ALL'))
assert reader.response('ESEARCH')[1][-1].endswith(b'ALL 1:3')

# NOTIFY: the other's changes come while this side says nothing.
ok(reader.xatom('NOTIFY', 'SET', '(selected (MessageNew (UID) MessageExpunge FlagChange)) (mailboxes Sent (MessageNew MessageExpunge))'))
ok(writer.append('INBOX', None, None, b'Subject: y\r\n\r\nbody\r\n'))
ok(writer.append('Sent', None, None, b'Subject: z\r\n\r\nbody\r\n'))
reader.sock.settimeout(10)
heard = []
while not any(b'STATUS "Sent" (MESSAGES 1 UIDNEXT 2)' in line for line in heard):
    heard.append(reader.readline())
assert any(b'* 4 EXISTS' in line for line in heard), heard
assert any(b'4 FETCH (UID 4)' in line for line in heard), heard
reader.sock.settimeout(None)

# UIDONLY: no number any more.
third = open()
ok(third.enable('UIDONLY'))
ok(third.select('INBOX'))
try:
    third.fetch('1', '(FLAGS)')
    assert False, 'a number was taken'
except imaplib.IMAP4.error as error:
    assert 'UIDREQUIRED' in str(error), error
ok(third.uid('STORE', '2', '+FLAGS', r'(\Deleted)'))
assert b'UIDFETCH' in b' '.join(x for x in third.untagged_responses.get('2', [b'UIDFETCH']) if x), third.untagged_responses
ok(third._simple_command('EXPUNGE'))
assert third.response('VANISHED')[1] == [b'2'], third.untagged_responses
ok(third.xatom('UIDBATCHES', '500'))
assert third.response('UIDBATCHES')[1][-1].endswith(b'4:1'), third.untagged_responses
for client in (writer, reader, third):
    client.logout()
`

test("Python's imaplib speaks IMAP4rev2 and UIDONLY, and is notified", {
  skip: await needs('python3'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ran = await run('python3', ['-c', script, `${ports.imap}`])
  assert.equal(ran.code, 0, ran.stderr)
})
