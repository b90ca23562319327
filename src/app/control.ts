// The control socket: how a command speaks to the running server. JSON lines over a Unix socket that only its owner may open.
// Serves and calls named services; knows nothing of what they do.

import { chmodSync, closeSync, openSync, unlinkSync } from 'node:fs'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Fault, type FaultCode, isFault, type Log, type Service } from '../base/index.ts'

interface Request {
  readonly id: number
  readonly service: string
  readonly method: string
  readonly args: readonly unknown[]
}
interface Reply {
  readonly id: number
  readonly ok?: unknown
  readonly fault?: { readonly code: FaultCode; readonly message: string }
}

export const controlPath = (data: string): string => join(data, 'control.sock')

/** A command's line may be an import of 1,000 users; more is refused. */
const lineLimit = 4 * 2 ** 20

/** Serves `services` on the socket. The caller holds the store's lock, so a socket that is there already is a leftover. */
export async function serveControl(path: string, services: Readonly<Record<string, object>>, log: Log) {
  const open = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    eachLine(socket, (line) => void answer(socket, line, services, log))
  })
  removeLeftover(path)
  const short = shortPath(path)
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(short.path, resolve))
    chmodSync(path, 0o600)
  } finally {
    process.umask(mask)
    short.close()
  }
  return {
    async stop(): Promise<void> {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.end()
      await closed
      removeLeftover(path)
    },
  }
}

async function answer(socket: net.Socket, line: string, services: Readonly<Record<string, object>>, log: Log) {
  let id = 0
  const reply = (reply: Omit<Reply, 'id'>) => {
    if (socket.writable) socket.write(`${JSON.stringify({ id, ...reply })}\n`)
  }
  try {
    const request = JSON.parse(line) as Request
    id = request.id
    const service = services[request.service] as Service | undefined
    const named = Object.hasOwn(services, request.service) && !(request.method in Object.prototype)
    const method = named ? service?.[request.method] : undefined
    if (typeof method !== 'function') throw new Fault('unsupported', `no ${request.service}.${request.method} here`)
    reply({
      ok:
        (await method.apply(
          service,
          request.args.map((arg) => arg ?? undefined),
        )) ?? null,
    })
  } catch (error) {
    if (isFault(error)) return reply({ fault: { code: error.code, message: error.message } })
    log.error({ err: error }, 'control: a command failed')
    reply({ fault: { code: 'internal', message: 'the server failed; its log says why' } })
  }
}

/** Calls services of the running server. */
export interface Control {
  service<S extends object>(name: string): S
  close(): void
}

/** A key set to undefined means "take it away": JSON would drop it. */
const keepUndefined = (_: string, value: unknown) => (value === undefined ? null : value)

/** Connects to the running server; undefined when none listens there. */
export async function connectControl(path: string): Promise<Control | undefined> {
  const short = tryShortPath(path)
  if (!short) return undefined
  const socket = net.connect(short.path)
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    if (code === 'EACCES') throw new Fault('denied', `${path}: only the user who runs the server may do this`)
    throw error
  } finally {
    short.close()
  }
  return control(socket)
}

function control(socket: net.Socket): Control {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let next = 1
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Fault('unavailable', 'the server stopped'))
    waiting.clear()
  })
  eachLine(socket, (line) => {
    const reply = JSON.parse(line) as Reply
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.fault) call?.reject(new Fault(reply.fault.code, reply.fault.message))
    else call?.resolve(reply.ok ?? undefined)
  })
  const call = (service: string, method: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      const id = next++
      waiting.set(id, { resolve, reject })
      socket.write(`${JSON.stringify({ id, service, method, args } satisfies Request, keepUndefined)}\n`)
    })
  return {
    service: <S extends object>(name: string) =>
      new Proxy({} as S, {
        get: (_, method) =>
          typeof method !== 'string' || method === 'then'
            ? undefined
            : (...args: unknown[]) => call(name, method, args),
      }),
    close: () => socket.destroy(),
  }
}

function eachLine(socket: net.Socket, hear: (line: string) => void): void {
  let pending = 0
  socket.on('data', (chunk: Buffer) => {
    const at = chunk.lastIndexOf(10)
    pending = at < 0 ? pending + chunk.length : chunk.length - at - 1
    if (pending > lineLimit) socket.destroy()
  })
  createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on('line', hear)
}

function removeLeftover(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** The kernel takes 107 bytes of path: a longer one is reached through the open folder. */
function shortPath(path: string): { path: string; close: () => void } {
  if (Buffer.byteLength(path) < 104) return { path, close() {} }
  if (process.platform !== 'linux')
    throw new Fault('invalid', `${path}: the path of the data folder is too long for a socket (103 bytes at most)`)
  const folder = openSync(dirname(path), 'r')
  return { path: `/proc/self/fd/${folder}/${path.slice(dirname(path).length + 1)}`, close: () => closeSync(folder) }
}

function tryShortPath(path: string): ReturnType<typeof shortPath> | undefined {
  try {
    return shortPath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
