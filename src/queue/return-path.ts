// The signed return path: an address of the sender's domain that names one message, so that what comes back to it later finds that
// message. Only this server can make one. Formats and reads; knows no store.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { type Address, addressKey } from '../address/index.ts'

/** What a return path says. */
export interface Signed {
  /** The message's number in the queue. */
  readonly message: number
  /** Days since 1970; the address is good until the end of this day. */
  readonly until: number
  /** Whom the message that left under it was for; 0: several of several domains. */
  readonly mark: number
}

/** The name of the key that signs them, in the store. */
export const returnPathKey = 'return-path'

const prefix = 'bounces+'
/** Six bytes of the message's number, two of the day, two of the mark, ten of the signature. */
const size = 20
const signatureSize = 10
/** RFC 4648 §6, in lower case: what carries an address may change the case of its letters. */
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
/** RFC 5321 §4.5.3.1.1 leaves a local part 64 octets: this one has 40. */
const length = prefix.length + (size * 8) / 5

/** Whether the address has the form of a return path; its signature is not looked at. */
export function looksSigned({ local }: Address): boolean {
  return local.length === length && local.slice(0, prefix.length).toLowerCase() === prefix
}

export function formatReturnPath(key: Buffer, signed: Signed, domain: string): Address {
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(signed.message, 0, 6)
  bytes.writeUInt16BE(signed.until, 6)
  bytes.writeUInt16BE(signed.mark, 8)
  sign(key, bytes, domain).copy(bytes, size - signatureSize)
  return { local: prefix + toBase32(bytes), domain }
}

/** What a return path says; undefined when this server did not make it, or when it is too old. */
export function readReturnPath(key: Buffer, address: Address, now: number): Signed | undefined {
  const bytes = looksSigned(address) ? fromBase32(address.local.slice(prefix.length).toLowerCase()) : undefined
  if (!bytes) return undefined
  const right = timingSafeEqual(sign(key, bytes, address.domain), bytes.subarray(size - signatureSize))
  const until = bytes.readUInt16BE(6)
  if (!right || dayOf(now) > until) return undefined
  return { message: bytes.readUIntBE(0, 6), until, mark: bytes.readUInt16BE(8) }
}

export const dayOf = (at: number): number => Math.floor(at / 86_400_000)

/** Of one recipient, or of several in one domain, so that nobody can speak of others than himself and his own. */
export function markOf(recipients: readonly Address[]): number {
  const [first, ...others] = recipients
  if (!first) return 0
  if (others.length === 0) return markText(addressKey(first))
  return others.every(({ domain }) => domain === first.domain) ? markText(`@${first.domain}`) : 0
}

/** Whether a report under this mark may speak of the recipient. */
export function isMarked(mark: number, recipient: Address): boolean {
  return mark === 0 || mark === markText(addressKey(recipient)) || mark === markText(`@${recipient.domain}`)
}

/** 1 … 65,535. */
function markText(text: string): number {
  return (createHash('sha256').update(text).digest().readUInt16BE(0) % 65_535) + 1
}

function sign(key: Buffer, bytes: Buffer, domain: string): Buffer {
  const mac = createHmac('sha256', key).update(bytes.subarray(0, size - signatureSize))
  return mac.update(domain).digest().subarray(0, signatureSize)
}

function toBase32(bytes: Buffer): string {
  let out = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[(held >> (bits - 5)) & 31]
  }
  return out
}

function fromBase32(text: string): Buffer | undefined {
  const bytes = Buffer.alloc(size)
  let held = 0
  let bits = 0
  let at = 0
  for (const char of text) {
    const value = alphabet.indexOf(char)
    if (value < 0) return undefined
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (held >> bits) & 0xff
    }
  }
  return bytes
}
