// Parameters of MAIL that speak of time and order: BY (RFC 2852 §4), HOLDFOR and HOLDUNTIL (RFC 4865 §4), MT-PRIORITY (RFC 6710 §4).
// Knows no clock: what is relative stays so.

import { SyntaxFault } from '../../base/index.ts'
import type { DeliverBy } from './params.ts'

/** A deadline counted from now. */
export type ByValue = Pick<DeliverBy, 'mode' | 'trace'> & { readonly seconds: number }

/** `seconds;N` or `seconds;R`, either with `T` behind it. */
export function parseBy(value: string): ByValue {
  const semicolon = value.indexOf(';')
  const negative = value[0] === '-'
  const signed = negative || value[0] === '+'
  const amount = parseSeconds(value.slice(signed ? 1 : 0, Math.max(semicolon, 0)))
  const mode = value.slice(semicolon + 1).toUpperCase()
  if (amount === undefined || !['N', 'R', 'NT', 'RT'].includes(mode))
    throw new SyntaxFault('BY must be seconds, a semicolon and N or R, with or without T')
  const seconds = negative ? -amount : amount
  // RFC 2852 §4: what must come back at once makes no sense.
  if (mode[0] === 'R' && seconds <= 0) throw new SyntaxFault('BY in mode R needs a time greater than 0')
  return { seconds, mode: mode[0] === 'R' ? 'return' : 'notify', trace: mode.length === 2 }
}

/** Seconds from now. */
export function parseHoldFor(value: string): number {
  const seconds = parseSeconds(value)
  if (!seconds) throw new SyntaxFault('HOLDFOR must be a number of seconds from 1 to 999999999')
  return seconds
}

/** Milliseconds since 1970. */
export function parseHoldUntil(value: string): number {
  const time = parseDateTime(value)
  if (time === undefined) throw new SyntaxFault('HOLDUNTIL must be a date and time as 2030-01-31T09:00:00Z')
  return time
}

/** -9 … 9. */
export function parsePriority(value: string): number {
  const digit = value.length === 2 && value[0] === '-' ? value[1]! : value.length === 1 ? value : ''
  const amount = digit === '' || value === '-0' ? -1 : digit.charCodeAt(0) - 0x30
  if (amount < 0 || amount > 9) throw new SyntaxFault('MT-PRIORITY must be a number from -9 to 9')
  return value.length === 2 ? -amount : amount
}

/** One to nine digits. */
function parseSeconds(text: string): number | undefined {
  return text.length > 9 ? undefined : parseDigits(text)
}

function parseDigits(text: string): number | undefined {
  if (text === '') return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

/** date-time of RFC 3339 §5.6, in milliseconds; undefined when it is none. */
export function parseDateTime(text: string): number | undefined {
  const upper = text.toUpperCase()
  if (upper.length > 40 || separators.some(([at, char]) => upper[at] !== char)) return undefined
  const [year, month, day, hour, minute, second] = fields.map(([from, to]) => parseDigits(upper.slice(from, to)))
  if (year === undefined || month === undefined || day === undefined) return undefined
  if (hour === undefined || minute === undefined || second === undefined) return undefined
  // A leap second is the first of the next minute.
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined
  let at = 19
  if (upper[at] === '.') {
    const from = ++at
    while (upper[at]! >= '0' && upper[at]! <= '9') at++
    if (at === from) return undefined
  }
  const offset = parseOffset(upper.slice(at))
  return offset === undefined ? undefined : Date.UTC(year, month - 1, day, hour, minute, second) - offset * 60_000
}
const separators = [
  [4, '-'],
  [7, '-'],
  [10, 'T'],
  [13, ':'],
  [16, ':'],
] as const
const fields = [
  [0, 4],
  [5, 7],
  [8, 10],
  [11, 13],
  [14, 16],
  [17, 19],
] as const

/** `Z` or `+hh:mm`, in minutes. */
function parseOffset(text: string): number | undefined {
  if (text === 'Z') return 0
  const hours = parseDigits(text.slice(1, 3))
  const minutes = parseDigits(text.slice(4))
  if (text.length !== 6 || text[3] !== ':' || hours === undefined || minutes === undefined) return undefined
  if (hours > 23 || minutes > 59 || (text[0] !== '+' && text[0] !== '-')) return undefined
  return (text[0] === '-' ? -1 : 1) * (hours * 60 + minutes)
}
