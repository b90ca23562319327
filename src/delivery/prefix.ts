// The header lines that delivery puts in front of a message: Return-Path, Delivered-To, Received. Nothing here can hold CR, LF or NUL.

import { isIPv6 } from 'node:net'
import { type Address, formatAddress, formatPath, type Path } from '../address/index.ts'
import { formatDate } from '../mime/index.ts'
import type { Arrival, Envelope } from './types.ts'

/**
 * The Received line (RFC 5321 §4.4), with the priority when it is not the usual one (RFC 6710). `for` is named only when there is one recipient, for two would tell blind copies
 * (RFC 5321 §7.2), and only as ASCII unless the envelope is UTF-8 (RFC 6532 §3.2).
 */
export function formatReceived(arrival: Arrival, envelope: Envelope, hostname: string): Buffer {
  const { tls, traceId, receivedAt } = arrival
  const priority = envelope.params?.priority
  const only = envelope.to.length === 1 ? formatAddress(envelope.to[0]!.address) : undefined
  const shown = only !== undefined && (envelope.utf8 || isAscii(only))
  const lines = [
    `Received: from ${formatFrom(arrival)}`,
    `by ${hostname} (Posthorn) with ${toWord(arrival.with)}${tls ? ` (${toWord(tls.version)} ${toWord(tls.cipher)})` : ''}`,
    `id ${toWord(traceId)}${shown ? ` for <${only}>` : ''}${priority ? ` priority ${priority}` : ''}; ${formatDate(receivedAt)}`,
  ]
  return Buffer.from(`${lines.join('\r\n\t')}\r\n`)
}

/** What stands above a message that came in: what is known of its sender (RFC 8601 §4, RFC 7208 §9.1), Received, our signature. */
export function formatTrace(arrival: Arrival, envelope: Envelope, hostname: string): Buffer {
  const received = formatReceived(arrival, envelope, hostname)
  const { verification, fields, signature } = arrival
  if (!verification && fields === undefined && signature === undefined) return received
  const above = Buffer.from(`${verification?.header ?? ''}${fields ?? ''}`)
  return Buffer.concat([above, received, Buffer.from(signature ?? '')])
}

/** `helo (name [ip])`. Behind a filter it is the client before it, as the server behind which it stands would have written (XFORWARD). */
function formatFrom({ helo, clientIp, clientName, origin }: Arrival): string {
  const from = origin?.ip === undefined ? { helo, ip: clientIp, name: clientName } : { ...origin, ip: origin.ip }
  const name = toWord(from.name ?? '')
  return `${toWord(from.helo ?? '') || 'unknown'} (${name && `${name} `}${formatIp(from.ip)})`
}

/** What stands above the Received line of a copy in a mailbox. */
export function formatFinal(sender: Path, deliveredTo: Address): string {
  return `Return-Path: ${formatPath(sender)}\r\n${formatDeliveredTo(deliveredTo)}`
}

/** By this line a message that comes back is known. */
export function formatDeliveredTo(address: Address): string {
  return `Delivered-To: ${formatAddress(address)}\r\n`
}

function formatIp(ip: string): string {
  return `[${ip.includes(':') && isIPv6(ip) ? 'IPv6:' : ''}${toWord(ip)}]`
}

/** 1 for each character that may stand in a word: visible ASCII but brackets, quotes and what begins a comment or ends a clause. */
const wordCodes = new Uint8Array(128)
for (let code = 33; code < 127; code++) wordCodes[code] = '()<>"\\;,'.includes(String.fromCharCode(code)) ? 0 : 1
const maxWord = 255

/** What a client called itself, as one word that means nothing in a header: no white space, controls, brackets or comments. */
function toWord(text: string): string {
  let clean = text.length <= maxWord
  for (let i = 0; clean && i < text.length; i++) clean = wordCodes[text.charCodeAt(i)] === 1
  return clean ? text : [...text.slice(0, maxWord)].filter((char) => wordCodes[char.charCodeAt(0)] === 1).join('')
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}
