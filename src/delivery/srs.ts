// The Sender Rewriting Scheme: a forwarded message leaves under an address of ours that says to whom its bounces belong, signed and
// dated, so that SPF holds at the next hop and nobody else can make one. The format is that of libsrs2 and postsrsd. Knows no store.

import { createHmac } from 'node:crypto'
import { type Address, isRewritten, parseAddress } from '../address/index.ts'

/** The name of the key that signs them, in the store. */
export const srsKey = 'srs'

const dayMs = 86_400_000
/** How long a bounce may take: what the scheme's inventors thought enough, and everybody has kept to. */
const maxAgeDays = 21
/** Days are counted modulo so many: two characters. */
const dayModulus = 1024
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** Characters of the signature that are written, and that must be there. */
const hashLength = 4
const separators = '=-+'

/** Why an address cannot be turned back. */
export type Unreturnable = 'forged' | 'expired'

/** The address of `domain` under which mail of `sender` goes on. One that another forwarder rewrote keeps the way through him alone. */
export function formatRewritten(key: Buffer, sender: Address, domain: string, now: number): Address {
  const { local } = sender
  if (isRewritten(local)) {
    // SRS0 of another server becomes SRS1 of ours; SRS1 of another becomes ours, so that the address does not grow with each hop.
    const { host, rest } = readSecond(local) ?? { host: sender.domain, rest: local.slice(4) }
    return { local: `SRS1=${sign(key, host, rest)}=${host}=${rest}`, domain }
  }
  const day = formatDay(now)
  return { local: `SRS0=${sign(key, day, sender.domain, local)}=${day}=${sender.domain}=${local}`, domain }
}

/** To whom mail for a rewritten address goes on. */
export function readRewritten(key: Buffer, { local }: Address, now: number): Address | Unreturnable {
  if (local.slice(0, 4).toUpperCase() === 'SRS1') {
    const second = readSecond(local)
    if (!second || !isSigned(key, second.hash, second.host, second.rest)) return 'forged'
    return toAddress(`SRS0${second.rest}@${second.host}`)
  }
  const [hash, day, domain, ...rest] = local.slice(5).split('=')
  const user = rest.join('=')
  if (!hash || !day || !domain || user === '' || !isSigned(key, hash, day, domain, user)) return 'forged'
  return isFresh(day, now) ? toAddress(`${user}@${domain}`) : 'expired'
}

/** What was signed is an address that was read once. */
function toAddress(text: string): Address | Unreturnable {
  const at = text.lastIndexOf('@')
  const plain = parseAddress(text)
  // A local part that must be quoted was written without its quotes.
  return plain ?? parseAddress(`${JSON.stringify(text.slice(0, at))}${text.slice(at)}`) ?? 'forged'
}

/** SRS1: the first forwarder, and what stands behind SRS0 in his address, with its separator. */
function readSecond(
  local: string,
): { readonly hash: string; readonly host: string; readonly rest: string } | undefined {
  if (local.slice(0, 4).toUpperCase() !== 'SRS1') return undefined
  const [hash = '', host = '', ...more] = local.slice(5).split('=')
  const rest = more.join('=')
  if (hash === '' || host === '' || rest.length < 2 || !separators.includes(rest[0]!)) return undefined
  return { hash, host, rest }
}

/** Letters may change their case on the way. */
function sign(key: Buffer, ...parts: readonly string[]): string {
  const mac = createHmac('sha1', key)
  for (const part of parts) mac.update(part.toLowerCase())
  return mac.digest('base64').slice(0, hashLength)
}

function isSigned(key: Buffer, hash: string, ...parts: readonly string[]): boolean {
  return hash.length === hashLength && hash.toLowerCase() === sign(key, ...parts).toLowerCase()
}

function formatDay(now: number): string {
  const day = Math.floor(now / dayMs) % dayModulus
  return `${base32[day >> 5]}${base32[day & 31]}`
}

function isFresh(text: string, now: number): boolean {
  const [high, low] = [...text.toUpperCase()].map((char) => base32.indexOf(char))
  if (text.length !== 2 || high === undefined || low === undefined || high < 0 || low < 0) return false
  const age = (Math.floor(now / dayMs) - ((high << 5) | low)) % dayModulus
  // A clock that was set back a day must not send bounces away.
  return age <= maxAgeDays || age >= dayModulus - 1
}
