// Attributes of XCLIENT and XFORWARD (Postfix's XCLIENT_README and XFORWARD_README): what a proxy or a filter says of the client
// behind it. Values are xtext; what comes out is printable ASCII, and an address is one.

import { isIP } from 'node:net'
import { canonicalIp, SyntaxFault } from '../../base/index.ts'
import type { Params } from './line.ts'
import { parseXtext } from './xtext.ts'

/** An attribute of which it is said that it is not known: `[UNAVAILABLE]`, or `[TEMPUNAVAIL]` of a name. */
export const unavailable = Symbol('unavailable')
export type Attribute = string | typeof unavailable

/** Values that are written to headers and the log are this long at most. */
const maxValue = 255

/** The attributes by upper-case name; SyntaxFault when one is not in `known`, or its value is none. */
export function parseAttributes<N extends string>(
  given: Params,
  known: readonly N[],
): { readonly [name in N]?: Attribute } {
  if (given.size === 0) throw new SyntaxFault('an attribute was expected')
  const found: { [name in N]?: Attribute } = {}
  for (const [name, value] of given) {
    if (!isKnown(name, known)) throw new SyntaxFault(`${name} is not an attribute that is known here`)
    found[name] = parseValue(name, value)
  }
  return found
}

function isKnown<N extends string>(name: string, known: readonly N[]): name is N {
  return (known as readonly string[]).includes(name)
}

function parseValue(name: string, value: string): Attribute {
  const upper = value.toUpperCase()
  if (upper === '[UNAVAILABLE]' || (name === 'NAME' && upper === '[TEMPUNAVAIL]')) return unavailable
  const text = parseXtext(value)
  if (text === '' || text.length > maxValue) throw new SyntaxFault(`the value of ${name} is empty or too long`)
  for (const char of text)
    if (char < ' ' || char > '~') throw new SyntaxFault(`the value of ${name} must be printable ASCII`)
  const check = checks[name]
  return check ? check(text) : text
}

const checks: { readonly [name: string]: (text: string) => string } = {
  ADDR: parseAddr,
  DESTADDR: parseAddr,
  PORT: parsePort,
  DESTPORT: parsePort,
  NAME: parseName,
  HELO: parseName,
  PROTO: (text) => oneOf('PROTO', text, ['SMTP', 'ESMTP']),
  SOURCE: (text) => oneOf('SOURCE', text, ['LOCAL', 'REMOTE']),
}

/** An IPv4 address, or an IPv6 address behind `IPV6:`, which Postfix writes and others forget. */
function parseAddr(text: string): string {
  const bare = text.slice(0, 5).toUpperCase() === 'IPV6:' ? text.slice(5) : text
  // A zone belongs to the machine that wrote it.
  if (isIP(bare) === 0 || bare.includes('%')) throw new SyntaxFault('an address was expected')
  return canonicalIp(bare)
}

function parsePort(text: string): string {
  const port = Number(text)
  if (`${port}` !== text || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new SyntaxFault('a port was expected')
  return text
}

/** What may stand as a name in a header: no white space, comment or quote. */
function parseName(text: string): string {
  for (const char of text)
    if (' ()<>"\\;,'.includes(char)) throw new SyntaxFault('a name holds a character that it must not hold')
  return text
}

function oneOf(name: string, text: string, words: readonly string[]): string {
  const upper = text.toUpperCase()
  if (!words.includes(upper)) throw new SyntaxFault(`${name} must be ${words.join(' or ')}`)
  return upper
}
