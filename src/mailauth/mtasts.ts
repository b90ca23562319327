// MTA-STS as text: the record that announces a policy, the policy itself, and whether a mail host is one that it names (RFC 8461).
// Fetches nothing, keeps nothing.

import { createHash } from 'node:crypto'
import { isAskable } from '../dns/index.ts'

export type StsMode = 'enforce' | 'testing' | 'none'

/** RFC 8461 §3.2. */
export interface StsPolicy {
  readonly mode: StsMode
  /** Seconds for which it holds from when it was fetched. */
  readonly maxAge: number
  /** A-labels in lower case: a host, or `*.` and a domain for every host one label below. */
  readonly mx: readonly string[]
}

/** RFC 8461 §3.2: about a year. */
const longest = 31_557_600
/** What a policy may weigh; RFC 8461 §3.3 suggests it. */
export const maxPolicyBytes = 65_536
const maxHosts = 1_000
const maxRecord = 1_024

/**
 * The id in the TXT records of `_mta-sts.<domain>`; undefined when no policy is announced: no record, several, or one that is not right
 * (RFC 8461 §3.1).
 */
export function parseStsRecord(texts: readonly string[]): string | undefined {
  const ours = texts.filter(
    (text) => text === version || (text.startsWith(version) && ' \t;'.includes(text[version.length]!)),
  )
  const [record] = ours
  if (record === undefined || ours.length > 1 || record.length > maxRecord) return undefined
  const [, ...fields] = record.split(';').map(trim)
  if (fields.at(-1) === '') fields.pop()
  let id: string | undefined
  for (const field of fields) {
    const cut = field.indexOf('=')
    const [name, value] = [field.slice(0, cut), field.slice(cut + 1)]
    if (cut < 0 || !isExtensionName(name) || !isExtensionValue(value)) return undefined
    if (name !== 'id') continue
    if (!isWord(value, 32) || id !== undefined) return undefined
    id = value
  }
  return id
}

const version = 'v=STSv1'

/** Reads a policy; the words in `problem` say why it is none. */
export function parseStsPolicy(text: string): StsPolicy | { readonly problem: string } {
  const found = new Map<string, string>()
  const mx: string[] = []
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const raw of lines) {
    const line = trimEnd(raw.endsWith('\r') ? raw.slice(0, -1) : raw)
    const cut = line.indexOf(':')
    const key = line.slice(0, Math.max(0, cut))
    const value = trim(line.slice(cut + 1))
    if (cut < 0 || !isExtensionName(key) || hasControls(value)) return { problem: `no line of a policy: ${show(line)}` }
    if (key === 'mx') {
      const pattern = toPattern(value)
      if (pattern === undefined) return { problem: `mx is no host: ${show(value)}` }
      if (mx.length >= maxHosts) return { problem: `more than ${maxHosts} mx` }
      mx.push(pattern)
    } else if (!found.has(key)) {
      // RFC 8461 §3.2: of a key that comes again the first counts.
      found.set(key, value)
    }
  }
  const mode = found.get('mode')
  const age = found.get('max_age') ?? ''
  if (found.get('version') !== 'STSv1') return { problem: 'version is not STSv1' }
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none')
    return { problem: `mode is none of enforce, testing, none: ${show(mode ?? '')}` }
  if (!isDigits(age)) return { problem: `max_age is no number of seconds: ${show(age)}` }
  if (mx.length === 0 && mode !== 'none') return { problem: 'it names no mx' }
  return { mode, maxAge: Math.min(Number(age), longest), mx }
}

/** Whether the policy names this host, given as A-labels (RFC 8461 §4.1): a wildcard stands for exactly one label. */
export function isStsHost({ mx }: Pick<StsPolicy, 'mx'>, host: string): boolean {
  const name = host.toLowerCase()
  const parent = name.slice(name.indexOf('.') + 1)
  return mx.some((pattern) =>
    pattern.startsWith('*.')
      ? name.includes('.') && !name.startsWith('.') && pattern.slice(2) === parent
      : pattern === name,
  )
}

/** A policy of ours: the text that is served, and the id of its record, another for each text. `mx` as patterns. */
export function formatStsPolicy({ mode, maxAge, mx }: StsPolicy): { readonly text: string; readonly id: string } {
  const lines = ['version: STSv1', `mode: ${mode}`, ...mx.map((host) => `mx: ${host}`), `max_age: ${maxAge}`]
  const text = `${lines.join('\r\n')}\r\n`
  return { text, id: createHash('sha256').update(text).digest('hex').slice(0, 20) }
}

/** `mx2.a.example` or `*.a.example` in lower case; undefined when it is neither. */
export function toPattern(text: string): string | undefined {
  const pattern = text.toLowerCase()
  const host = pattern.startsWith('*.') ? pattern.slice(2) : pattern
  return isAskable(host) && everyChar(host, isHostChar) ? pattern : undefined
}

const isWhite = (c: number) => c === 32 || c === 9
const trimEnd = (text: string): string => {
  let end = text.length
  while (end > 0 && isWhite(text.charCodeAt(end - 1))) end--
  return text.slice(0, end)
}
const trim = (text: string): string => {
  let start = 0
  while (start < text.length && isWhite(text.charCodeAt(start))) start++
  return trimEnd(text.slice(start))
}

function everyChar(text: string, is: (code: number) => boolean): boolean {
  for (let i = 0; i < text.length; i++) if (!is(text.charCodeAt(i))) return false
  return true
}
const isDigit = (c: number) => c >= 48 && c <= 57
const isAlphanumeric = (c: number) => isDigit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
const isHostChar = (c: number) => isAlphanumeric(c) || c === 45 || c === 46 || c === 95
const isWord = (text: string, most: number) => text.length > 0 && text.length <= most && everyChar(text, isAlphanumeric)
const isDigits = (text: string) => text.length > 0 && text.length <= 10 && everyChar(text, isDigit)
const isExtensionName = (text: string) =>
  text.length > 0 &&
  text.length <= 32 &&
  isAlphanumeric(text.charCodeAt(0)) &&
  everyChar(text, (c) => isAlphanumeric(c) || c === 95 || c === 45 || c === 46)
const isExtensionValue = (text: string) =>
  text.length > 0 && everyChar(text, (c) => c > 32 && c < 127 && c !== 59 && c !== 61)
const hasControls = (text: string) => !everyChar(text, (c) => (c >= 32 || c === 9) && c !== 127)
const show = (text: string) => JSON.stringify(text.slice(0, 60))
