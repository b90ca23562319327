// Who is at the other end of a connection: the address of the socket, or what a trusted proxy says in front of the first byte.

import type { Socket } from 'node:net'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import { isLoopback, toClientIp } from './networks.ts'
import { parseProxyHeader } from './proxy-header.ts'

export interface Client {
  /** As people write it. */
  readonly address: string
  /** On this machine, with nothing in between: what a proxy passes on comes from elsewhere, whatever it says. */
  readonly near: boolean
  /** Whether lists of networks may speak of it: the address of a proxy that does not say for whom it speaks is nobody's. */
  readonly known: boolean
}

/** The client of a socket without a proxy. */
export function directClient(remoteAddress: string | undefined): Client {
  const address = toClientIp(remoteAddress)
  return { address, near: isLoopback(address), known: true }
}

/** Proxies that stand in front, and how long their header may take. */
export interface Proxies {
  /** Whether connections from this address begin with a header of the PROXY protocol. */
  readonly includes: (address: string) => boolean
  readonly waitMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * The client of a fresh socket, before anything is sent or read. From a proxy's address the header must come first: without one, and for
 * other addresses with one, the connection is not what it should be. Undefined: the socket was closed.
 */
export async function identifyClient(socket: Socket, proxies: Proxies): Promise<Client | undefined> {
  const direct = directClient(socket.remoteAddress)
  if (!proxies.includes(direct.address)) return direct
  const header = await readHeader(socket, proxies)
  if (!header) {
    // The operator named a proxy that does not speak this protocol, or something else connects from its address.
    proxies.log.warn({ ip: direct.address }, 'no header of the PROXY protocol')
    socket.destroy()
    return undefined
  }
  const { address } = header
  if (address === undefined) return { address: direct.address, near: false, known: false }
  // No proxy has a client on its own loopback but itself: such an address gains nothing.
  return { address, near: false, known: !isLoopback(address) }
}

/** Reads the header alone and gives back what came behind it. Undefined: there was none in time. */
function readHeader(socket: Socket, { waitMs, clock }: Proxies): Promise<{ readonly address?: string } | undefined> {
  let bytes: Buffer = Buffer.alloc(0)
  return new Promise((resolve) => {
    const end = (header: { readonly address?: string } | undefined) => {
      cancel()
      socket.off('readable', read).off('end', fail).off('close', fail)
      resolve(header)
    }
    const fail = () => end(undefined)
    const read = () => {
      const chunk: Buffer | null = socket.read()
      if (!chunk) return
      bytes = Buffer.concat([bytes, chunk])
      const header = parseProxyHeader(bytes)
      if (header === 'more') return
      if (header === 'bad') return fail()
      if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length))
      end(header)
    }
    const cancel = clock.after(waitMs, fail)
    socket.on('readable', read).on('end', fail).on('close', fail)
  })
}
