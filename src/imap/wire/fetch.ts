// What FETCH may ask for (RFC 9051 §6.4.5, RFC 3501 §6.4.5) as values, and how each item is named in the answer.

import type { Cursor } from './cursor.ts'
import { isQuotable, quote } from './text.ts'

/** Part numbers, then what of that part; empty path and no text: the whole message. */
export interface Section {
  readonly path: readonly number[]
  readonly text?: 'HEADER' | 'HEADER.FIELDS' | 'HEADER.FIELDS.NOT' | 'TEXT' | 'MIME'
  /** Field names as written, for HEADER.FIELDS and HEADER.FIELDS.NOT. */
  readonly fields?: readonly string[]
}

export interface BodyItem {
  readonly kind: 'body'
  /** The name in the answer: `BODY[1.MIME]<0>`, `RFC822.HEADER` … */
  readonly label: string
  readonly section: Section
  readonly peek: boolean
  readonly partial?: { readonly offset: number; readonly length: number }
}
export type FetchItem =
  | { readonly kind: 'flags' | 'uid' | 'internaldate' | 'size' | 'modseq' | 'envelope' | 'structure' | 'bodystructure' }
  | BodyItem

/** Parts deeper than this are never numbered by the scanner. */
const MAX_PATH = 100
const MAX_ITEMS = 100

const all: readonly FetchItem[] = [{ kind: 'flags' }, { kind: 'internaldate' }, { kind: 'size' }, { kind: 'envelope' }]
const macros: { readonly [name: string]: readonly FetchItem[] } = {
  ALL: all,
  FAST: all.slice(0, 3),
  FULL: [...all, { kind: 'structure' }],
}

const whole = (label: string, text: Section['text'], peek: boolean): FetchItem => ({
  kind: 'body',
  label,
  section: text ? { path: [], text } : { path: [] },
  peek,
})

const plainItems: { readonly [name: string]: FetchItem } = {
  FLAGS: { kind: 'flags' },
  UID: { kind: 'uid' },
  MODSEQ: { kind: 'modseq' },
  INTERNALDATE: { kind: 'internaldate' },
  'RFC822.SIZE': { kind: 'size' },
  ENVELOPE: { kind: 'envelope' },
  BODYSTRUCTURE: { kind: 'bodystructure' },
  RFC822: whole('RFC822', undefined, false),
  'RFC822.HEADER': whole('RFC822.HEADER', 'HEADER', true),
  'RFC822.TEXT': whole('RFC822.TEXT', 'TEXT', false),
}

/** A macro, one item, or a list of items. */
export function parseFetchItems(p: Cursor): readonly FetchItem[] {
  if (p.peek() !== '(') {
    for (const [name, items] of Object.entries(macros)) if (p.hasWord(name)) return items
    return [parseFetchAtt(p)]
  }
  const items = p.list(() => parseFetchAtt(p))
  if (items.length > MAX_ITEMS) p.fail(`more than ${MAX_ITEMS} items`)
  return items
}

function parseFetchAtt(p: Cursor): FetchItem {
  const name = fetchName(p)
  if (name === 'BODY' || name === 'BODY.PEEK') {
    if (p.peek() === '[') return parseBodyItem(p, name === 'BODY.PEEK')
    if (name === 'BODY') return { kind: 'structure' }
  }
  return plainItems[name] ?? p.fail(`FETCH knows no ${name}`)
}

/** `[` is an atom character, so that the name of an item is read letter by letter. */
function fetchName(p: Cursor): string {
  let name = ''
  for (let c = p.peek(); isNameChar(c); c = p.peek()) {
    p.has(c)
    name += c
  }
  return name.toUpperCase()
}

const isNameChar = (c: string) =>
  (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c === '.'

function parseBodyItem(p: Cursor, peek: boolean): BodyItem {
  p.expect('[')
  const section = parseSection(p)
  p.expect(']')
  const label = `BODY[${formatSection(section)}]`
  if (!p.has('<')) return { kind: 'body', label, section, peek }
  const offset = p.number()
  const length = p.expect('.').nzNumber()
  p.expect('>')
  return { kind: 'body', label: `${label}<${offset}>`, section, peek, partial: { offset, length } }
}

function parseSection(p: Cursor): Section {
  const path: number[] = []
  while (p.peek() >= '0' && p.peek() <= '9') {
    path.push(p.nzNumber())
    if (path.length > MAX_PATH) p.fail('the part is too deep')
    if (!p.has('.')) return { path }
  }
  if (p.peek() === ']' && path.length === 0) return { path }
  return parseSectionText(p, path)
}

function parseSectionText(p: Cursor, path: readonly number[]): Section {
  const text = fetchName(p)
  if (text === 'HEADER' || text === 'TEXT') return { path, text }
  if (text === 'MIME' && path.length > 0) return { path, text }
  if (text !== 'HEADER.FIELDS' && text !== 'HEADER.FIELDS.NOT') p.fail('expected a section')
  p.sp()
  return { path, text, fields: p.list(() => p.astring().toString('latin1')) }
}

function formatSection({ path, text, fields }: Section): string {
  const head = [...path, ...(text ? [text] : [])].join('.')
  return fields ? `${head} (${fields.map(formatFieldName).join(' ')})` : head
}

/** As the client wrote it, because some compare the answer with what they asked. */
function formatFieldName(name: string): string {
  for (let i = 0; i < name.length; i++) {
    const c = name[i]!
    if (!isNameChar(c) && c !== '-' && c !== '_') return isQuotable(name) ? quote(name) : '""'
  }
  return name === '' ? '""' : name
}
