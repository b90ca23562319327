// Connections before their first command: a handshake that never ends takes a place, and gives it back.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { testCertificate } from '../../../test/transcripts/certificate.ts'
import { listenImap } from './index.ts'
import { openImapWorld } from './testing/world.ts'

const closes = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))

test('handshakes that never end count among the connections of their address', async (t) => {
  const world = await openImapWorld({ tls: () => testCertificate, limits: { unauthenticatedPerAddress: 2 } })
  const listener = await listenImap(world.server, { host: '127.0.0.1', port: 0, implicitTls: true })
  const open = () => {
    const socket = connect(listener.port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    return socket
  }
  const silent = [open(), open()]
  t.after(async () => {
    for (const socket of silent) socket.destroy()
    const closed = listener.close()
    await world.close()
    await closed
  })
  while (world.server.stats.connections < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  await closes(open())
  assert.equal(world.server.stats.connections, 2)
  silent.pop()!.destroy()
  while (world.server.stats.connections > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  const secure = connectTls({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false })
  secure.on('error', () => {})
  const greeting = await new Promise<string>((resolve) => secure.once('data', (chunk) => resolve(chunk.toString())))
  assert.match(greeting, /^\* OK/)
  secure.destroy()
})
