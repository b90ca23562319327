// Opens the web door's ports. What speaks HTTP there stands in door.ts and is loaded with the first connection: Node's own part of it
// brings a client and HTTP/2 along, and a mail server need not wait for them.

import { createServer, type Server, type Socket } from 'node:net'
import type { Log } from '../../base/index.ts'
import type { ServerTls } from '../../tls/index.ts'
import type { Door, DoorOptions, Kind } from './door.ts'
import type { HttpSources } from './types.ts'

export interface HttpServer {
  /** Opens one port; resolves with the port that was bound. */
  listen(endpoint: { host: string; port: number; kind: Kind; reusePort?: boolean }): Promise<number>
  /** New connections get this certificate. */
  setCertificate(tls: ServerTls): void
  /** Stops accepting; requests in flight end within `graceMs` or are cut off. */
  stop(graceMs: number): Promise<void>
}

/** More than this many open connections are closed at once: nothing here needs them. */
const maxConnections = 500

export function createHttpServer(options: { sources: HttpSources; tls: ServerTls; log: Log }): HttpServer {
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  const loader = new DoorLoader(options)
  return {
    async listen({ host, port, kind, reusePort }) {
      // As Node's own servers: whoever says no more may still hear the answer, but not inside TLS.
      const server = createServer({ allowHalfOpen: kind !== 'tls', noDelay: true }, (socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
        loader.take(socket, kind)
      })
      server.maxConnections = maxConnections
      await open(server, { host, port, reusePort: reusePort === true })
      servers.push(server)
      return (server.address() as { port: number }).port
    },
    setCertificate: (tls) => loader.setCertificate(tls),
    async stop(graceMs) {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
      loader.stop()
      const late = setTimeout(() => sockets.forEach((socket) => void socket.destroy()), graceMs)
      await Promise.all(closed)
      clearTimeout(late)
    },
  }
}

/** Gives each connection to the door, which is loaded when the first one comes. */
class DoorLoader {
  readonly #options: DoorOptions
  #tls: ServerTls
  #loading: Promise<void> | undefined
  #door: Door | undefined
  #stopped = false

  constructor(options: DoorOptions) {
    this.#options = options
    this.#tls = options.tls
  }

  take(socket: Socket, kind: Kind): void {
    if (this.#door) {
      this.#door.take(socket, kind)
      return
    }
    // Until the door has it nobody else hears that the client went away.
    const ignore = () => {}
    socket.on('error', ignore)
    this.#loading ??= this.#load()
    this.#loading.then(
      () => {
        socket.off('error', ignore)
        if (this.#stopped) socket.destroy()
        else if (!socket.destroyed) this.#door!.take(socket, kind)
      },
      (error: unknown) => {
        this.#options.log.error({ err: error }, 'http: the web door could not be loaded')
        socket.destroy()
      },
    )
  }

  async #load(): Promise<void> {
    const { createDoor } = await import('./door.ts')
    this.#door = createDoor({ ...this.#options, tls: this.#tls })
  }

  setCertificate(tls: ServerTls): void {
    this.#tls = tls
    this.#door?.setCertificate(tls)
  }

  stop(): void {
    this.#stopped = true
    this.#door?.stop()
  }
}

function open(server: Server, at: { host: string; port: number; reusePort: boolean }): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(at, () => resolve()))
}
