// Typed calls between threads. One side serves objects of async methods, the other side calls them through a proxy.
// Arguments and results are structured-cloneable; a Fault arrives as a Fault. Knows nothing of what is called.

import type { MessagePort, Transferable } from 'node:worker_threads'
import { Fault, type FaultCode, SyntaxFault } from './fault.ts'

/** What may be served: an object whose methods return promises. */
// biome-ignore lint/suspicious/noExplicitAny: the arguments are checked where the service's own interface is named
export type Service = { [method: string]: (...args: any[]) => Promise<unknown> }

interface Request {
  readonly id: number
  readonly service: string
  readonly method: string
  readonly args: readonly unknown[]
}
interface Reply {
  readonly id: number
  readonly ok?: unknown
  readonly fault?: { readonly code: FaultCode | 'syntax' | 'error'; readonly message: string }
}
interface Signal {
  readonly signal: string
  readonly value: unknown
}
type Packet = Request | Reply | Signal
interface Outgoing {
  readonly packet: Packet
  readonly transfer: readonly Transferable[]
}

export interface Port {
  /** A proxy of the service that the other side serves under `name`. */
  service<S extends object>(name: string): S
  /** Sends a signal: no answer, no guarantee beyond order. */
  signal(name: string, value: unknown): void
  /** Hears signals of the other side. */
  on(name: string, hear: (value: never) => void): void
  close(): void
}

/** The message's buffers are moved, not copied, when the caller wraps them here: they are empty afterwards. */
const moved = new WeakMap<object, Transferable[]>()
export function moving<T extends object>(value: T, buffers: Transferable[]): T {
  moved.set(value, buffers)
  return value
}

/** Joins two threads: serves `services` to the other side and calls the other side's. */
export function joinPort(port: MessagePort, services: { readonly [name: string]: object }): Port {
  let next = 1
  let closed = false
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const hearers = new Map<string, ((value: never) => void)[]>()

  // What is said in one turn crosses at once: waking the other thread costs more than what is carried.
  let outgoing: Outgoing[] = []
  const post = (packet: Packet, transfer: readonly Transferable[] = []) => {
    if (closed) return
    if (outgoing.length === 0) process.nextTick(flush)
    outgoing.push({ packet, transfer })
  }
  const flush = () => {
    const sent = outgoing
    outgoing = []
    if (closed || sent.length === 0) return
    if (!tryToSend(sent)) for (const one of sent) if (!tryToSend([one])) refuse(one.packet)
  }
  /** False: something among them cannot be carried, and nothing has been sent. */
  const tryToSend = (sent: readonly Outgoing[]): boolean => {
    try {
      port.postMessage(
        sent.map(({ packet }) => packet),
        sent.flatMap(({ transfer }) => transfer),
      )
      return true
    } catch {
      return false
    }
  }
  const refuse = (packet: Packet) => {
    const fault = { code: 'error', message: 'what was said between two threads cannot be carried' } as const
    if ('method' in packet) settle({ id: packet.id, fault })
    else if (!('signal' in packet)) post({ id: packet.id, fault })
  }
  const settle = ({ id, ok, fault }: Reply) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (fault) call?.reject(fromWire(fault))
    else call?.resolve(ok)
  }
  const run = async ({ id, service, method, args }: Request) => {
    try {
      const target = services[service] as Service | undefined
      if (!target || !(method in target)) throw new Fault('internal', `no service ${service}.${method}`)
      post({ id, ok: await target[method]!(...args) })
    } catch (error) {
      post({ id, fault: toWire(error) })
    }
  }
  port.on('message', (packets: readonly Packet[]) => {
    for (const packet of packets)
      if ('method' in packet) void run(packet)
      else if ('signal' in packet) for (const hear of hearers.get(packet.signal) ?? []) hear(packet.value as never)
      else settle(packet)
  })
  port.on('close', () => {
    closed = true
    for (const { reject } of waiting.values()) reject(new Fault('unavailable', 'the server is stopping'))
    waiting.clear()
  })
  const call = (service: string, method: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      if (closed) return reject(new Fault('unavailable', 'the server is stopping'))
      const id = next++
      waiting.set(id, { resolve, reject })
      const transfer = args.flatMap((arg) => (typeof arg === 'object' && arg ? (moved.get(arg) ?? []) : []))
      post({ id, service, method, args }, transfer)
    })
  return {
    service<S extends object>(name: string): S {
      const methods = new Map<string, unknown>()
      return new Proxy({} as S, {
        get(_, method) {
          // A proxy must not look like a promise when it is returned from an async function.
          if (typeof method !== 'string' || method === 'then') return undefined
          let bound = methods.get(method)
          if (!bound) methods.set(method, (bound = (...args: unknown[]) => call(name, method, args)))
          return bound
        },
      })
    },
    signal(name, value) {
      post({ signal: name, value })
    },
    on(name, hear) {
      hearers.set(name, [...(hearers.get(name) ?? []), hear])
    },
    close() {
      flush()
      port.close()
    },
  }
}

function toWire(error: unknown): NonNullable<Reply['fault']> {
  if (error instanceof Fault) return { code: error.code, message: error.message }
  if (error instanceof SyntaxFault) return { code: 'syntax', message: error.message }
  return { code: 'error', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

function fromWire({ code, message }: NonNullable<Reply['fault']>): Error {
  if (code === 'syntax') return new SyntaxFault(message)
  if (code === 'error') return new Error(message)
  return new Fault(code, message)
}
