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
/** The decoded bytes of a part, or how many there are (RFC 3516 §4.2). */
export interface BinaryItem {
  readonly kind: 'binary' | 'binarysize'
  readonly label: string
  readonly section: Section
  readonly peek: boolean
  readonly partial?: { readonly offset: number; readonly length: number }
}
export type SectionItem = BodyItem | BinaryItem
export type FetchItem =
  | { readonly kind: 'flags' | 'uid' | 'internaldate' | 'size' | 'modseq' | 'envelope' | 'structure' | 'bodystructure' }
  | { readonly kind: 'savedate' | 'emailid' | 'threadid' | 'preview' }
  | SectionItem

export const isSectionItem = (item: FetchItem): item is SectionItem =>
  item.kind === 'body' || item.kind === 'binary' || item.kind === 'binarysize'

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
  // RFC 8514, RFC 8474 §5.3.
  SAVEDATE: { kind: 'savedate' },
  EMAILID: { kind: 'emailid' },
  THREADID: { kind: 'threadid' },
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
  if (name === 'BINARY' || name === 'BINARY.PEEK' || name === 'BINARY.SIZE') return parseBinaryItem(p, name)
  if (name === 'PREVIEW') return parsePreview(p)
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
  return { kind: 'body', section, peek, ...parsePartial(p, label) }
}

/** The name in the answer tells where a partial begins, not how long it is. */
function parsePartial(p: Cursor, label: string): Pick<BodyItem, 'label' | 'partial'> {
  if (!p.has('<')) return { label }
  const offset = p.number()
  const length = p.expect('.').nzNumber()
  p.expect('>')
  return { label: `${label}<${offset}>`, partial: { offset, length } }
}

/** Only part numbers: what is decoded is a body. */
function parseBinaryItem(p: Cursor, name: string): BinaryItem {
  p.expect('[')
  const { path, dot } = parsePath(p)
  if (dot) p.fail('expected a part number')
  p.expect(']')
  const inBrackets = `[${path.join('.')}]`
  const section = { path }
  if (name === 'BINARY.SIZE') return { kind: 'binarysize', label: `${name}${inBrackets}`, section, peek: true }
  return { kind: 'binary', section, peek: name === 'BINARY.PEEK', ...parsePartial(p, `BINARY${inBrackets}`) }
}

/** LAZY changes nothing (RFC 8970 §4.1): previews are always at hand. Another list behind PREVIEW modifies the FETCH. */
function parsePreview(p: Cursor): FetchItem {
  if (p.hasNext(' (LAZY')) p.sp().list(() => p.hasWord('LAZY') || p.fail('PREVIEW is modified by LAZY alone'))
  return { kind: 'preview' }
}

/** Part numbers; `dot`: something follows them. */
function parsePath(p: Cursor): { readonly path: number[]; readonly dot: boolean } {
  const path: number[] = []
  while (p.peek() >= '0' && p.peek() <= '9') {
    path.push(p.nzNumber())
    if (path.length > MAX_PATH) p.fail('the part is too deep')
    if (!p.has('.')) return { path, dot: false }
  }
  return { path, dot: path.length > 0 }
}

function parseSection(p: Cursor): Section {
  const { path, dot } = parsePath(p)
  if (dot || (path.length === 0 && p.peek() !== ']')) return parseSectionText(p, path)
  return { path }
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
