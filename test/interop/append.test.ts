// A mailbox moves in: thousands of messages by APPEND on one connection, all at once (LITERAL+) and one after another.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { full, startInstallation } from '../server.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const count = full ? 10_000 : 1_000
/** An import of 10,000 in under 10 s; a small one pays the warm-up with fewer messages. */
const allowedMs = full ? 10_000 : 4_000
const minute = 60_000

/** About 4 KiB, each another one. */
function message(n: number): Buffer {
  const head = `From: eve@elsewhere.test\r\nTo: ada@posthorn.test\r\nSubject: message ${n}\r\nMessage-ID: <${n}@elsewhere.test>\r\nDate: Mon, 02 Jan 2023 03:04:05 +0100\r\n\r\n`
  return Buffer.from(head + `line ${n} of a letter that somebody kept for years\r\n`.repeat(75))
}
const appendCommand = (tag: string, n: number) => {
  const text = message(n)
  return Buffer.concat([Buffer.from(`${tag} APPEND INBOX (\\Seen) {${text.length}+}\r\n`), text, Buffer.from('\r\n')])
}

/** A connection that is signed in; `line` answers the next line from the server. */
async function signIn(port: number): Promise<{ socket: Socket; line(): Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(minute, () => socket.destroy(new Error('the server fell silent')))
  const lines = linesOf(socket)
  const line = async () => {
    const { value, done } = await lines.next()
    assert.ok(!done, 'the server closed the connection')
    return value
  }
  await line()
  socket.write('in LOGIN ada@posthorn.test "correct horse"\r\n')
  assert.match(await line(), /^in OK/)
  return { socket, line }
}

async function* linesOf(socket: Socket): AsyncGenerator<string, void> {
  let rest = ''
  for await (const chunk of socket) {
    const pieces = (rest + chunk).split('\r\n')
    rest = pieces.pop()!
    yield* pieces
  }
}

/** Appends first to last, waiting for the socket but for no answer. */
async function pour(socket: Socket): Promise<void> {
  for (let n = 1; n <= count; n++) {
    if (!socket.write(appendCommand(`a${n}`, n))) await once(socket, 'drain')
  }
}

test(`${count} messages come in by APPEND without waiting, in order and whole`, async (t) => {
  const server = await startInstallation(t, { users })
  const { socket, line } = await signIn(server.ports.imap)
  const since = performance.now()
  const poured = pour(socket)
  for (let n = 1; n <= count; ) {
    const said = await line()
    if (said.startsWith('* ')) continue
    assert.match(said, new RegExp(`^a${n} OK \\[APPENDUID \\d+ ${n}\\] `))
    n++
  }
  await poured
  const ms = performance.now() - since
  t.diagnostic(`${count} messages in ${(ms / 1000).toFixed(2)} s, ${Math.round((count / ms) * 1000)} a second`)
  assert.ok(ms < allowedMs, `${Math.round(ms)} ms`)

  socket.write('s STATUS INBOX (MESSAGES SIZE UNSEEN)\r\n')
  const size = Array.from({ length: count }, (_, i) => message(i + 1).length).reduce((sum, one) => sum + one, 0)
  assert.match(await line(), new RegExp(`MESSAGES ${count} SIZE ${size} UNSEEN 0\\)`))
  await line()
  socket.write(`e EXAMINE INBOX\r\nf UID FETCH ${count} (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n`)
  while (!/^Subject: /.test(await line())) {}
  socket.destroy()
})

test('APPEND after APPEND, each acknowledged before the next is sent', async (t) => {
  const server = await startInstallation(t, { users })
  const { socket, line } = await signIn(server.ports.imap)
  const one = async (n: number) => {
    socket.write(appendCommand('b', n))
    for (;;) {
      const said = await line()
      if (said.startsWith('* ')) continue
      assert.match(said, /^b OK \[APPENDUID /)
      return
    }
  }
  const many = full ? 2_000 : 300
  const since = performance.now()
  for (let n = 1; n <= many; n++) await one(n)
  const rate = (many / (performance.now() - since)) * 1000
  t.diagnostic(`${Math.round(rate)} a second, one at a time`)
  assert.ok(rate > 50, `only ${Math.round(rate)} a second`)
  socket.destroy()
})
