// What macros of SPF stand for (RFC 7208 §7).

import { isIPv4 } from 'node:net'
import { expandIp6 } from '../../dns/index.ts'
import type { Macro, MacroString, MacroValues } from './types.ts'

/** Longest name in text form (RFC 7208 §7.3). */
const maxName = 253

export interface Expansion {
  readonly values: MacroValues
  /** The validated name of the client, asked for only when `p` stands somewhere. */
  readonly clientName: () => Promise<string>
}

export async function expand(pieces: MacroString, { values, clientName }: Expansion): Promise<string> {
  let out = ''
  for (const piece of pieces)
    out += typeof piece === 'string' ? piece : transform(piece, await expandLetter(piece.letter, values, clientName))
  return out
}

/** A domain-spec as a name to ask for: too long a name loses labels on its left (RFC 7208 §7.3). */
export async function expandDomain(pieces: MacroString, expansion: Expansion): Promise<string> {
  let name = await expand(pieces, expansion)
  if (name.endsWith('.')) name = name.slice(0, -1)
  while (name.length > maxName && name.includes('.')) name = name.slice(name.indexOf('.') + 1)
  return name
}

async function expandLetter(letter: string, values: MacroValues, clientName: Expansion['clientName']): Promise<string> {
  const { ip, sender, helo, receiver, now, domain } = values
  const at = sender.lastIndexOf('@')
  switch (letter) {
    case 's':
      return sender
    case 'l':
      return sender.slice(0, at)
    case 'o':
      return sender.slice(at + 1)
    case 'd':
      return domain
    case 'i':
      return isIPv4(ip) ? ip : [...expandIp6(ip)].join('.')
    case 'p':
      return clientName()
    case 'v':
      return isIPv4(ip) ? 'in-addr' : 'ip6'
    case 'h':
      return helo
    case 'c':
      return ip
    case 'r':
      return receiver
    default:
      return String(now)
  }
}

function transform({ keep, reverse, delimiters, escaped }: Macro, value: string): string {
  let parts = [value]
  if (keep !== undefined || reverse || delimiters !== '.') {
    parts = split(value, delimiters)
    if (reverse) parts.reverse()
    if (keep !== undefined) parts = parts.slice(-keep)
  }
  const text = parts.join('.')
  // RFC 3986 §2.3: what is not unreserved. encodeURIComponent leaves five more characters.
  return escaped
    ? encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    : text
}

function split(value: string, delimiters: string): string[] {
  const parts: string[] = []
  let part = ''
  for (const c of value) {
    if (!delimiters.includes(c)) {
      part += c
      continue
    }
    parts.push(part)
    part = ''
  }
  return [...parts, part]
}
