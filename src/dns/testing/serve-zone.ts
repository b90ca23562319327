// A name server on loopback, UDP and TCP, that answers from a zone text: what interop tests name as `dns: { resolver }`.

import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import {
  type Answer,
  AUTHENTIC_DATA,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  RECURSION_AVAILABLE,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import { parseZone, type Zone, type ZoneRecord } from '../zone.ts'

export interface ZoneServer {
  /** `127.0.0.1:port`, the same for UDP and TCP. */
  readonly address: string
  /** Questions heard so far, as `TYPE name` with ` tcp` behind those over TCP. */
  readonly heard: readonly string[]
  close(): Promise<void>
}

const maxUdp = 512
const rcodes = { ok: 0, nodata: 0, servfail: 2, nxdomain: 3 }
const soa = { mname: 'ns.test', rname: 'postmaster.test', serial: 1, refresh: 60, retry: 60, expire: 60, minimum: 60 }

export async function serveZone(text: string): Promise<ZoneServer> {
  const zone = parseZone(text)
  const heard: string[] = []
  const tcp = createServer((socket) => answerTcp(socket, zone, heard))
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
  const bound = tcp.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  const udp = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject)
    udp.bind(port, '127.0.0.1', resolve)
  })
  udp.on('message', (query, peer) => {
    const reply = toReply(zone, query, heard, true)
    if (reply) udp.send(reply, peer.port, peer.address)
  })
  return {
    address: `127.0.0.1:${port}`,
    heard,
    async close() {
      await new Promise<void>((resolve) => udp.close(resolve))
      await new Promise<void>((resolve) => tcp.close(() => resolve()))
    },
  }
}

function answerTcp(socket: Socket, zone: Zone, heard: string[]): void {
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes: Buffer) => {
    const reply = toReply(zone, bytes.subarray(2), heard, false)
    if (!reply) return
    const length = Buffer.alloc(2)
    length.writeUInt16BE(reply.length)
    // Two writes: a reader that takes one chunk for one message is found out.
    socket.write(length)
    setImmediate(() => socket.end(reply))
  })
}

function toReply(zone: Zone, bytes: Buffer, heard: string[], udp: boolean): Buffer | undefined {
  const query = decode(bytes)
  const question = query.questions?.[0]
  if (!question) return undefined
  heard.push(`${question.type} ${question.name}${udp ? '' : ' tcp'}`)
  const found = zone.find(question.name, question.type)
  if (found.status === 'timeout') return undefined
  const records = 'records' in found ? found.records : []
  const head = { type: 'response' as const, id: query.id, questions: [question] }
  const secure = 'authentic' in found && found.authentic ? AUTHENTIC_DATA : 0
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | secure | rcodes[found.status]
  const authorities: Answer[] =
    found.status === 'nodata' || found.status === 'nxdomain' ? [{ type: 'SOA', name: 'test', ttl: 60, data: soa }] : []
  const whole = encode({ ...head, flags, answers: records.map(toWire), authorities })
  return udp && whole.length > maxUdp ? encode({ ...head, flags: flags | TRUNCATED_RESPONSE }) : whole
}

function toWire({ name, ttl, type, value }: ZoneRecord): Answer {
  if (typeof value !== 'string') {
    if ('exchange' in value) return { type: 'MX', name, ttl, data: { ...value, exchange: value.exchange || '.' } }
    if ('target' in value) return { type: 'SRV', name, ttl, data: { ...value, target: value.target || '.' } }
    if ('tag' in value) return { type: 'CAA', name, ttl, data: { flags: value.critical ? 128 : 0, ...value } as never }
    const { usage, selector, matching: matchingType, data } = value
    return { type: 'TLSA', name, ttl, data: { usage, selector, matchingType, certificate: Buffer.from(data, 'hex') } }
  }
  if (type === 'SOA') return { type, name, ttl, data: { ...soa, mname: value } }
  if (type === 'TXT') return { type, name, ttl, data: toPieces(value) }
  return { type: type as 'A', name, ttl, data: value }
}

/** A string of a TXT record holds at most 255 bytes. */
function toPieces(value: string): string[] {
  const pieces: string[] = []
  for (let at = 0; at < value.length; at += 255) pieces.push(value.slice(at, at + 255))
  return pieces
}
