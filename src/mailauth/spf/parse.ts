// The grammar of an SPF record (RFC 7208 §12), read whole before anything of it is evaluated (RFC 7208 §4.6). Pure.

import { isIPv4, isIPv6 } from 'node:net'
import { SyntaxFault } from '../../base/index.ts'
import { isVisible } from '../ascii.ts'
import type { Directive, Macro, MacroString, Mechanism, Qualifier, SpfRecord } from './types.ts'

const version = 'v=spf1'
const qualifiers = '+-~?'
const macroLetters = 'slodiphcrtv'
/** Letters that stand in explanations only (RFC 7208 §7.2). */
const explanationLetters = 'crt'
const delimiters = '.-+,/_='

/** Whether a TXT record is an SPF record (RFC 7208 §4.5): the version alone, or with a space behind it. */
export function isSpfRecord(text: string): boolean {
  const head = text.slice(0, version.length + 1).toLowerCase()
  return head === version || head === `${version} `
}

/** Throws SyntaxFault with the term that is wrong. */
export function parseSpf(text: string): SpfRecord {
  const directives: Directive[] = []
  let redirect: MacroString | undefined
  let exp: MacroString | undefined
  for (const term of text.slice(version.length).split(' ')) {
    if (term === '') continue
    if (!isVisible(term)) throw wrong(term, 'holds a character that is not printable ASCII')
    const name = modifierName(term)
    if (name === undefined) {
      directives.push(parseDirective(term))
      continue
    }
    const value = term.slice(name.length + 1)
    if (name.toLowerCase() === 'redirect') {
      if (redirect) throw wrong(term, 'stands twice')
      redirect = parseDomainSpec(value, term)
    } else if (name.toLowerCase() === 'exp') {
      if (exp) throw wrong(term, 'stands twice')
      exp = parseDomainSpec(value, term)
    } else parseMacroString(value, term)
  }
  return { directives, ...(redirect && { redirect }), ...(exp && { exp }) }
}

/** The text of an explanation (RFC 7208 §6.2). Throws SyntaxFault. */
export function parseExplanation(text: string): MacroString {
  for (let i = 0; i < text.length; i++)
    if (text.charCodeAt(i) < 32 || text.charCodeAt(i) > 126) throw new SyntaxFault('the explanation is not ASCII')
  return parseMacroString(text, text, true)
}

function wrong(term: string, why: string): SyntaxFault {
  return new SyntaxFault(`"${term.slice(0, 80)}" ${why}`)
}

const isAlpha = (c: string | undefined): boolean =>
  c !== undefined && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9'
const isAlphanumeric = (c: string | undefined): boolean => isAlpha(c) || isDigit(c)

/** The name of `name=value`; undefined when the term is no modifier. */
function modifierName(term: string): string | undefined {
  if (!isAlpha(term[0])) return undefined
  let i = 1
  while (isAlphanumeric(term[i]) || term[i] === '-' || term[i] === '_' || term[i] === '.') i++
  return term[i] === '=' ? term.slice(0, i) : undefined
}

function parseDirective(term: string): Directive {
  const marked = qualifiers.includes(term[0]!)
  const qualifier = (marked ? term[0] : '+') as Qualifier
  const rest = marked ? term.slice(1) : term
  let i = 0
  while (isAlphanumeric(rest[i])) i++
  return { qualifier, mechanism: parseMechanism(rest.slice(0, i).toLowerCase(), rest.slice(i), term), text: term }
}

/** `rest` is what follows the name: nothing, `:value`, `/bits` or both. */
function parseMechanism(name: string, rest: string, term: string): Mechanism {
  switch (name) {
    case 'all':
      if (rest !== '') throw wrong(term, 'takes no value')
      return { name }
    case 'include':
    case 'exists':
      if (rest[0] !== ':') throw wrong(term, 'wants a domain')
      return { name, spec: parseDomainSpec(rest.slice(1), term) }
    case 'ptr':
      return { name, spec: parseOptionalSpec(rest, term) }
    case 'a':
    case 'mx': {
      const { before, bits4, bits6 } = takeDualBits(rest, term)
      return { name, spec: parseOptionalSpec(before, term), bits4, bits6 }
    }
    case 'ip4':
    case 'ip6':
      return parseNetwork(name, rest, term)
    default:
      throw wrong(term, 'is no mechanism')
  }
}

function parseOptionalSpec(rest: string, term: string): MacroString | undefined {
  if (rest === '') return undefined
  if (rest[0] !== ':') throw wrong(term, 'is no mechanism')
  return parseDomainSpec(rest.slice(1), term)
}

function parseNetwork(name: 'ip4' | 'ip6', rest: string, term: string): Mechanism {
  const most = name === 'ip4' ? 32 : 128
  if (rest[0] !== ':') throw wrong(term, 'wants an address')
  const slash = rest.indexOf('/')
  const network = rest.slice(1, slash < 0 ? undefined : slash)
  if (name === 'ip4' ? !isIPv4(network) : !isIPv6(network) || network.includes('%'))
    throw wrong(term, 'has no proper address')
  return { name, network, bits: slash < 0 ? most : parseBits(rest.slice(slash + 1), most, term) }
}

function parseBits(text: string, most: number, term: string): number {
  const digits = text.length > 0 && text.length <= 3 && [...text].every(isDigit)
  if (!digits || (text.length > 1 && text[0] === '0') || Number(text) > most)
    throw wrong(term, `has no prefix length between 0 and ${most}`)
  return Number(text)
}

/** Takes `/bits`, `//bits` or `/bits//bits` (dual-cidr-length) off the end. */
function takeDualBits(rest: string, term: string): { before: string; bits4: number; bits6: number } {
  let before = rest
  const takeBits = (mark: string): string | undefined => {
    let at = before.length
    while (isDigit(before[at - 1])) at--
    if (at === before.length || !before.slice(0, at).endsWith(mark)) return undefined
    const digits = before.slice(at)
    before = before.slice(0, at - mark.length)
    return digits
  }
  const six = takeBits('//')
  const four = takeBits('/')
  return {
    before,
    bits4: four === undefined ? 32 : parseBits(four, 32, term),
    bits6: six === undefined ? 128 : parseBits(six, 128, term),
  }
}

/** macro-string domain-end: the last piece is a macro, or text that ends in a top label (RFC 7208 §7.1). */
function parseDomainSpec(text: string, term: string): MacroString {
  const pieces = parseMacroString(text, term)
  const last = pieces.at(-1)
  if (last === undefined) throw wrong(term, 'has no domain')
  if (typeof last === 'string' && !endsInTopLabel(last)) throw wrong(term, 'does not end in a domain')
  return pieces
}

function endsInTopLabel(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  const dot = name.lastIndexOf('.')
  const label = name.slice(dot + 1)
  if (dot < 0 || label === '' || label.startsWith('-') || label.endsWith('-')) return false
  return [...label].every((c) => isAlphanumeric(c) || c === '-') && ![...label].every(isDigit)
}

function parseMacroString(text: string, term: string, inExplanation = false): MacroString {
  const pieces: (string | Macro)[] = []
  let literal = ''
  for (let i = 0; i < text.length; ) {
    if (text[i] !== '%') {
      literal += text[i++]
      continue
    }
    const next = text[i + 1]
    const plain = next === '%' ? '%' : next === '_' ? ' ' : next === '-' ? '%20' : undefined
    if (plain !== undefined) {
      literal += plain
      i += 2
      continue
    }
    const end = next === '{' ? text.indexOf('}', i) : -1
    if (end < 0) throw wrong(term, 'has a % that begins no macro')
    if (literal !== '') pieces.push(literal)
    literal = ''
    pieces.push(parseMacro(text.slice(i + 2, end), term, inExplanation))
    i = end + 1
  }
  if (literal !== '') pieces.push(literal)
  return pieces
}

/** What stands between the braces. */
function parseMacro(text: string, term: string, inExplanation: boolean): Macro {
  const letter = text.slice(0, 1).toLowerCase()
  if (letter === '' || !macroLetters.includes(letter)) throw wrong(term, `has no macro %{${text}}`)
  if (!inExplanation && explanationLetters.includes(letter)) throw wrong(term, `has %{${text}} outside an explanation`)
  let i = 1
  while (isDigit(text[i])) i++
  const digits = text.slice(1, i)
  const reverse = text[i] === 'r' || text[i] === 'R'
  if (reverse) i++
  const marks = text.slice(i)
  if (![...marks].every((c) => delimiters.includes(c))) throw wrong(term, `has no macro %{${text}}`)
  const keep = digits === '' ? undefined : Number(digits)
  if (keep === 0) throw wrong(term, `keeps no part of %{${text}}`)
  return {
    letter,
    escaped: text[0] !== letter,
    ...(keep !== undefined && { keep }),
    reverse,
    delimiters: marks === '' ? '.' : marks,
  }
}
