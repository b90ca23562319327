// Runs a server under load with the shim before libc, and hands back what the shim noted and what was sent.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePorts, Installation, run } from '../../server.ts'
import { dial } from '../../world/talk.ts'
import { readReplies } from '../load.ts'
import { startSink } from '../sink.ts'
import { type Note, readNotes } from './notes.ts'

const users = Array.from({ length: 5 }, (_, i) => `u${i}@posthorn.test`)
/** Sizes in bytes: in the database, at the border, in a file of its own. */
const mixed = [800, 4_096, 30_000, 60_000, 70_000, 200_000]
const connections = 12

export interface Sent {
  readonly id: string
  readonly to: string
  /** The client's port: by it the reply is found among the notes. */
  readonly port: number
  readonly text: string
  readonly acknowledged: boolean
  /** Put there by IMAP; absent: by SMTP. */
  readonly appended?: boolean
  /** Taken out again at once, and that was acknowledged too. */
  readonly removed?: boolean
}

export interface Recording {
  /** Stopped. */
  readonly server: Installation
  readonly notes: readonly Note[]
  readonly sent: readonly Sent[]
  /** Ids of what the next server took until now. */
  readonly relayed: () => ReadonlySet<string>
}

export interface Load {
  /** Runs of the server, with so many messages each. */
  readonly rounds: number
  readonly messages: number
  /** Absent: all that the store treats in its own way. */
  readonly sizes?: readonly number[]
  /** Whether texts are indexed. */
  readonly index: boolean
}

/** A server under load, from no data folder on; it is taken away after the test. */
export async function record(t: TestContext, { rounds, messages, sizes = mixed, index }: Load): Promise<Recording> {
  const [nobody] = await freePorts(1)
  const sink = await startSink()
  t.after(async () => sink.close())
  const server = await Installation.make({
    config: {
      smtp: { trustedNetworks: ['127.0.0.0/8'] },
      queue: { routes: { 'relay.test': `127.0.0.1:${nobody}`, 'sent.test': `127.0.0.1:${sink.port}` } },
      log: { level: 'warn' },
      search: { index },
    },
  })
  t.after(() => server.remove())
  const log = join(server.folder, 'notes')
  const env = {
    LD_PRELOAD: await compile(server.folder),
    POWER_CUT_DATA: server.data,
    POWER_CUT_LOG: log,
    // Reads and writes as calls of libc.
    UV_USE_IO_URING: '0',
  }
  const sent: Sent[] = []
  // A reply is known by the port that it goes to: none serves twice, neither over SMTP nor over IMAP.
  const ports = new Set<number>()
  for (let round = 0; round < rounds; round++) {
    await server.start(env)
    if (round === 0) await addUsers(server)
    // Who opens the database syncs the folder: the first run is the server's alone.
    const stopCheckpoints = round > 0 ? checkpoints(server.data, env) : undefined
    await Promise.all([
      sendAll(server.ports.smtp, ports, `r${round}`, messages, sizes, sent),
      appendAll(server.ports.imap, ports, `a${round}`, sent),
    ])
    await stopCheckpoints?.()
    await server.stop()
  }
  return { server, notes: readNotes(readFileSync(log), server.data), sent, relayed: () => new Set(sink.ids) }
}

/** By commands to the running server: the folder is as young as it can be when the first mail comes. */
async function addUsers(server: Installation): Promise<void> {
  await server.cliOk('domain', 'add', 'posthorn.test')
  const list = join(server.folder, 'users.csv')
  await writeFile(list, users.map((user) => `${user},password\n`).join(''))
  await server.cliOk('user', 'import', list)
}

async function compile(folder: string): Promise<string> {
  const shim = join(folder, 'shim.so')
  const source = join(import.meta.dirname, 'shim.c')
  const ran = await run('gcc', ['-O1', '-Wall', '-Werror', '-shared', '-fPIC', '-o', shim, source])
  if (ran.code !== 0) throw new Error(`gcc: ${ran.stderr}`)
  return shim
}

/** The server copies its log back every 32 MiB. Another process does so all the time, so that small recordings have it too. */
function checkpoints(data: string, env: NodeJS.ProcessEnv): () => Promise<void> {
  const script = `
    import { DatabaseSync } from 'node:sqlite'
    const db = new DatabaseSync(${JSON.stringify(join(data, 'posthorn.db'))}, { timeout: 1_000 })
    const timer = setInterval(() => db.exec('PRAGMA wal_checkpoint(PASSIVE)'), 50)
    process.stdin.on('end', () => { clearInterval(timer); db.close() }).resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const ended = new Promise<void>((done) => child.on('close', () => done()))
  return async () => {
    child.stdin.end()
    await ended
  }
}

async function sendAll(
  port: number,
  ports: Set<number>,
  name: string,
  messages: number,
  sizes: readonly number[],
  sent: Sent[],
): Promise<void> {
  let next = 0
  const one = async () => {
    while (next < messages) {
      const n = next++
      const away = n % 8 === 3 ? 'somebody@relay.test' : 'somebody@sent.test'
      const to = n % 4 === 3 ? away : users[n % users.length]!
      sent.push(await send(port, ports, to, `${name}.${n}`, sizes[n % sizes.length]!))
    }
  }
  await Promise.all(Array.from({ length: connections }, one))
}

/** One message on a connection of its own, from a port that no other used. */
export async function send(port: number, used: Set<number>, to: string, id: string, size: number): Promise<Sent> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  try {
    const next = readReplies(socket)
    const reply = async () => (await next()).slice(0, 3)
    await reply()
    const mine = socket.localPort!
    if (used.has(mine)) return await send(port, used, to, id, size)
    used.add(mine)
    socket.write(`EHLO load.test\r\nMAIL FROM:<eve@elsewhere.test>\r\nRCPT TO:<${to}>\r\nDATA\r\n`)
    const codes = [await reply(), await reply(), await reply(), await reply()]
    if (codes.join() !== '250,250,250,354') throw new Error(`${id} was refused: ${codes}`)
    const text = makeText(id, size)
    socket.write(`${text}.\r\n`)
    return { id, to, port: mine, text, acknowledged: (await reply()) === '250' }
  } finally {
    socket.destroy()
  }
}

const appends = 8

/** IMAP beside it: messages are appended, every second one is flagged as deleted and expunged at once. */
async function appendAll(port: number, ports: Set<number>, name: string, sent: Sent[]): Promise<void> {
  for (let n = 0; n < appends; n++)
    sent.push(await append(port, ports, users[0]!, `${name}.${n}`, mixed[n % mixed.length]!, n % 2 === 1))
}

/** On a connection of its own. Tags are numbers of three digits: for the shim such replies are like those of SMTP. */
async function append(
  port: number,
  used: Set<number>,
  to: string,
  id: string,
  size: number,
  remove: boolean,
): Promise<Sent> {
  const talk = await dial(port)
  try {
    await talk.until(/^\* OK .*\r\n/m)
    const mine = talk.socket.localPort!
    if (used.has(mine)) return await append(port, used, to, id, size, remove)
    used.add(mine)
    const say = async (tag: number, command: string) => {
      talk.send(`${tag} ${command}\r\n`)
      return await talk.until(new RegExp(`^${tag} OK.*\r\n`, 'm'))
    }
    await say(100, `LOGIN "${to}" "password"`)
    const text = makeText(id, size)
    const uid = /APPENDUID \d+ (\d+)/.exec(await say(tags.appended, `APPEND INBOX {${text.length}+}\r\n${text}`))![1]
    if (remove) {
      await say(102, 'SELECT INBOX')
      await say(103, `UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`)
      await say(104, `UID EXPUNGE ${uid}`)
      await say(105, 'UNSELECT')
      // Replies before may begin with what was expunged, or with what came meanwhile.
      await say(tags.removed, 'NOOP')
    }
    return { id, to, port: mine, text, acknowledged: true, appended: true, removed: remove }
  } finally {
    talk.close()
  }
}
export const tags = { appended: 101, removed: 106 } as const

function makeText(id: string, size: number): string {
  const lines = Array.from({ length: Math.ceil(size / 66) }, (_, i) =>
    createHash('sha256').update(`${id}.${i}`).digest('hex'),
  )
  // With a date, so that the server has none to add within the header.
  const date = 'Date: Sat, 01 Mar 2025 12:00:00 +0000'
  const head = ['From: <eve@elsewhere.test>', date, `Message-ID: <${id}@load.test>`, `Subject: ${id}`, '']
  return [...head, ...lines, ''].join('\r\n')
}
