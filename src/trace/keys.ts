// By what a timeline is found: its id, addresses, accounts, a Message-ID and queue ids, each as a hash of 40 bits. One of a million
// million strangers may be found beside what was looked for: it is shown with its own addresses, and does no harm.

import { type Address, addressKey } from '../address/index.ts'

/** Bytes of a key. */
export const keyLength = 5

export const idKey = (id: string): number => hash(`i:${id}`)
export const addressToKey = (address: Address): number => hash(`a:${addressKey(address)}`)
export const accountKey = (account: number): number => hash(`u:${account}`)
export const messageIdKey = (id: string): number => hash(`m:${id}`)
export const queueKey = (id: number): number => hash(`q:${id}`)

/** Keys one behind the other. */
export function packKeys(keys: ReadonlySet<number>): Buffer {
  const packed = Buffer.allocUnsafe(keys.size * keyLength)
  let at = 0
  for (const key of keys) at = packed.writeUIntBE(key, at, keyLength)
  return packed
}

export function* unpackKeys(packed: Uint8Array): Generator<number> {
  for (let at = 0; at + keyLength <= packed.length; at += keyLength) yield readKey(packed, at)
}

export function readKey(packed: Uint8Array, at: number): number {
  const low = ((packed[at + 1]! << 24) | (packed[at + 2]! << 16) | (packed[at + 3]! << 8) | packed[at + 4]!) >>> 0
  return packed[at]! * 2 ** 32 + low
}

/** Two multiplicative hashes side by side, mixed at the end (after MurmurHash3): no secret depends on it, and it costs next to nothing. */
function hash(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x9e3779b1)
    b = Math.imul(b ^ code, 0x5f356495)
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return (b & 0xff) * 2 ** 32 + (a >>> 0)
}
