// Names for messages: sortable by time, short enough to read on the phone, not to be guessed from the last one.

import { randomBytes } from 'node:crypto'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const timeLength = 9
const randomLength = 7
let pool = Buffer.alloc(0)
let used = 0

/** Nine characters of time (milliseconds) and seven random ones, base32 without i, l, o and u. */
export function createTraceId(now: number): string {
  if (used + randomLength > pool.length) {
    pool = randomBytes(256 * randomLength)
    used = 0
  }
  let id = firstTraceId(now)
  for (let i = 0; i < randomLength; i++) id += alphabet[pool[used++]! & 31]
  return id
}

/** What stands before every id of this millisecond and of later ones, and after all earlier ones. */
export function firstTraceId(time: number): string {
  let text = ''
  for (let left = Math.max(0, Math.floor(time)), i = 0; i < timeLength; i++, left = Math.floor(left / 32))
    text = alphabet[left % 32] + text
  return text
}

/** The millisecond in which an id was made; undefined when the text is none. */
export function timeOfTraceId(id: string): number | undefined {
  if (id.length !== timeLength + randomLength) return undefined
  let time = 0
  for (let i = 0; i < id.length; i++) {
    const digit = alphabet.indexOf(id[i]!)
    if (digit < 0) return undefined
    if (i < timeLength) time = time * 32 + digit
  }
  return time
}
