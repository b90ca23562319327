// Attack: every old trick to have mail for elsewhere taken by a server that is not asked to relay it. Whatever is taken stays here.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startInstallation } from '../server.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

/** Recipients elsewhere, written so that they look like ours. */
const recipients = [
  '<victim@else.test>',
  '<victim@else.test.>',
  '<victim%else.test@posthorn.test>',
  '<victim%else.test@[127.0.0.1]>',
  '<victim%else.test>',
  '<"victim@else.test">',
  '<"victim%else.test">',
  '<"victim@else.test"@posthorn.test>',
  '<"victim%else.test"@posthorn.test>',
  '<victim@else.test@posthorn.test>',
  '<victim@else.test@[127.0.0.1]>',
  '<@posthorn.test:victim@else.test>',
  '<@[127.0.0.1]:victim@else.test>',
  '<@mail.example.test,@posthorn.test:victim@else.test>',
  '<else.test!victim>',
  '<else.test!victim@posthorn.test>',
  '<else.test!victim@[127.0.0.1]>',
  '<victim@localhost>',
  '<victim@[127.0.0.1]>',
  '<victim@[IPv6:::1]>',
  '<victim@else.test,ada@posthorn.test>',
  '<ada@posthorn.test:victim@else.test>',
  '<victim@else.test>@posthorn.test',
  '<victim@posthorn.test.else.test>',
  '<victim@xposthorn.test>',
]
const senders = [
  '<eve@spam.test>',
  '<>',
  '<ada@posthorn.test>',
  '<postmaster>',
  '<eve@[127.0.0.1]>',
  '<eve@localhost>',
  '<eve%spam.test@posthorn.test>',
]

/** Reply codes to the lines, each sent when the one before was answered. */
async function codes(port: number, lines: readonly string[]): Promise<string[]> {
  const socket = connect({ port, host: '127.0.0.1' })
  let text = ''
  let wake = () => {}
  socket.on('data', (chunk) => {
    text += chunk
    wake()
  })
  const reply = async () => {
    for (;;) {
      const end = /^(\d{3}) .*\r\n/m.exec(text)
      if (end) {
        text = text.slice(end.index + end[0].length)
        return end[1]!
      }
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const all = [await reply()]
  for (const line of lines) {
    socket.write(`${line}\r\n`)
    all.push(await reply())
  }
  socket.destroy()
  return all.slice(1)
}

test('open relay: no way of writing an address has mail for elsewhere taken', async (t) => {
  const server = await startInstallation(t, { users })
  for (const [port, hello] of [
    [server.ports.smtp, 'EHLO'],
    [server.ports.lmtp, 'LHLO'],
  ] as const)
    for (const sender of senders) {
      const lines = [`${hello} posthorn.test`, `MAIL FROM:${sender}`, ...recipients.map((to) => `RCPT TO:${to}`)]
      const [hi, from, ...answers] = await codes(port, lines)
      assert.deepEqual([hi, from], ['250', '250'], sender)
      const taken = recipients.filter((_, i) => !answers[i]!.startsWith('5'))
      assert.deepEqual(taken, [], sender)
    }
  // The one that is ours is.
  const [, , answer] = await codes(server.ports.smtp, ['EHLO x', 'MAIL FROM:<>', 'RCPT TO:<ada@posthorn.test>'])
  assert.equal(answer, '250')
})
