// Names for messages: sortable by time, short enough to read on the phone, not to be guessed from the last one.

import { randomBytes } from 'node:crypto'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
let pool = Buffer.alloc(0)
let used = 0

/** Nine characters of time (milliseconds) and seven random ones, base32 without i, l, o and u. */
export function createTraceId(now: number): string {
  if (used + 7 > pool.length) {
    pool = randomBytes(1792)
    used = 0
  }
  let time = ''
  for (let left = now, i = 0; i < 9; i++, left = Math.floor(left / 32)) time = alphabet[left % 32] + time
  for (let i = 0; i < 7; i++) time += alphabet[pool[used++]! & 31]
  return time
}
