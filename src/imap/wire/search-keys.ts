// Search keys (RFC 9051 §6.4.4, RFC 3501 §6.4.4, and those of extensions) as a tree of values. Strings stay bytes until the charset is known.

import { Fault } from '../../base/index.ts'
import type { Cursor, SequenceSet } from './cursor.ts'

export type Head = 'from' | 'to' | 'cc' | 'bcc' | 'subject'
export type Comparison = 'before' | 'on' | 'since'

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'and'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'or'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'not' | 'fuzzy'; readonly key: SearchKey }
  /** Numbers or UIDs; `$` is the result that was saved. */
  | { readonly kind: 'sequence' | 'uid'; readonly set: SequenceSet }
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'recent' }
  | { readonly kind: 'internal' | 'sent' | 'saved'; readonly compare: Comparison; readonly day: number }
  /** Received longer ago than that, or not so long ago. */
  | { readonly kind: 'older' | 'younger'; readonly seconds: number }
  | { readonly kind: 'larger' | 'smaller'; readonly size: number }
  | { readonly kind: 'modseq'; readonly modseq: number }
  /** The number in the id; 0 for one that nothing here can have. */
  | { readonly kind: 'email' | 'thread'; readonly id: number }
  | { readonly kind: 'head'; readonly head: Head; readonly needle: Buffer }
  | { readonly kind: 'header'; readonly name: string; readonly needle: Buffer }
  | { readonly kind: 'body' | 'text'; readonly needle: Buffer }

/** Each key may look at every message, so that their number is what a search costs. */
const MAX_KEYS = 1000
/** Each text that is looked for goes through the bytes of every message. */
const MAX_NEEDLES = 100
const MAX_UID = 4_294_967_295

const flag = (name: string): SearchKey => ({ kind: 'flag', flag: name })
const not = (key: SearchKey): SearchKey => ({ kind: 'not', key })
const recent: SearchKey = { kind: 'recent' }
const all: SearchKey = { kind: 'all' }

const plainKeys: { readonly [name: string]: SearchKey } = {
  ALL: all,
  ANSWERED: flag('\\Answered'),
  DELETED: flag('\\Deleted'),
  DRAFT: flag('\\Draft'),
  FLAGGED: flag('\\Flagged'),
  SEEN: flag('\\Seen'),
  UNANSWERED: not(flag('\\Answered')),
  UNDELETED: not(flag('\\Deleted')),
  UNDRAFT: not(flag('\\Draft')),
  UNFLAGGED: not(flag('\\Flagged')),
  UNSEEN: not(flag('\\Seen')),
  RECENT: recent,
  OLD: not(recent),
  NEW: { kind: 'and', keys: [recent, not(flag('\\Seen'))] },
  // Every message has its save date (RFC 8514 §4.2).
  SAVEDATESUPPORTED: all,
}

/** `needle` reads a string that is looked for in texts. */
interface KeyReader {
  next(): SearchKey
  needle(): Buffer
}
type KeyParser = (p: Cursor, keys: KeyReader) => SearchKey

const head =
  (name: Head): KeyParser =>
  (_, { needle }) => ({ kind: 'head', head: name, needle: needle() })
const dated =
  (kind: 'internal' | 'sent' | 'saved', compare: Comparison): KeyParser =>
  (p) => ({ kind, compare, day: p.sp().date() })

const keyParsers: { readonly [name: string]: KeyParser } = {
  BCC: head('bcc'),
  CC: head('cc'),
  FROM: head('from'),
  SUBJECT: head('subject'),
  TO: head('to'),
  BEFORE: dated('internal', 'before'),
  ON: dated('internal', 'on'),
  SINCE: dated('internal', 'since'),
  SENTBEFORE: dated('sent', 'before'),
  SENTON: dated('sent', 'on'),
  SENTSINCE: dated('sent', 'since'),
  SAVEDBEFORE: dated('saved', 'before'),
  SAVEDON: dated('saved', 'on'),
  SAVEDSINCE: dated('saved', 'since'),
  OLDER: (p) => ({ kind: 'older', seconds: p.sp().nzNumber() }),
  YOUNGER: (p) => ({ kind: 'younger', seconds: p.sp().nzNumber() }),
  BODY: (_, { needle }) => ({ kind: 'body', needle: needle() }),
  TEXT: (_, { needle }) => ({ kind: 'text', needle: needle() }),
  KEYWORD: (p) => flag(p.sp().atom()),
  UNKEYWORD: (p) => not(flag(p.sp().atom())),
  LARGER: (p) => ({ kind: 'larger', size: p.sp().number() }),
  SMALLER: (p) => ({ kind: 'smaller', size: p.sp().number() }),
  UID: (p) => ({ kind: 'uid', set: p.sp().sequenceSet() }),
  // RFC 9738 §3.2.
  UIDAFTER: (p) => ({ kind: 'uid', set: above(p.sp().nzNumber()) }),
  UIDBEFORE: (p) => not({ kind: 'uid', set: above(p.sp().nzNumber() - 1) }),
  MODSEQ: parseModseq,
  EMAILID: (p) => ({ kind: 'email', id: objectId('M', p.sp().atom()) }),
  THREADID: (p) => ({ kind: 'thread', id: objectId('T', p.sp().atom()) }),
  HEADER: (p, { needle }) => {
    const name = p.sp().astring().toString('latin1').toLowerCase()
    return isHead(name) ? { kind: 'head', head: name, needle: needle() } : { kind: 'header', name, needle: needle() }
  },
  FUZZY: (p, { next }) => {
    p.sp()
    return { kind: 'fuzzy', key: next() }
  },
  NOT: (p, { next }) => {
    p.sp()
    return not(next())
  },
  OR: (p, { next }) => {
    p.sp()
    const first = next()
    p.sp()
    return { kind: 'or', keys: [first, next()] }
  },
}

const heads = new Set<string>(['from', 'to', 'cc', 'bcc', 'subject'])
const isHead = (name: string): name is Head => heads.has(name)

/** All UIDs above; a set without `*`, which would mean the last message too. */
const above = (uid: number): SequenceSet => [[Math.min(uid + 1, MAX_UID + 1), MAX_UID + 1]]

/** RFC 7162 §3.1.5: flags have one modseq together, so that the entry's name and type make no difference. */
function parseModseq(p: Cursor): SearchKey {
  p.sp()
  if (p.peek() === '"') {
    const name = p.string().toString('latin1')
    if (!name.toLowerCase().startsWith('/flags/')) p.fail('expected "/flags/…"')
    const type = p.sp().word()
    if (!entryTypes.has(type)) p.fail('expected "priv", "shared" or "all"')
    p.sp()
  }
  return { kind: 'modseq', modseq: p.modSequenceValzer() }
}
const entryTypes = new Set(['PRIV', 'SHARED', 'ALL'])

/** An id of RFC 8474 that is not ours is the id of no message. */
function objectId(letter: string, id: string): number {
  const digits = id[0] === letter ? id.slice(1) : ''
  const value = digits.length > 0 && digits.length < 16 ? Number(digits) : 0
  return String(value) === digits ? value : 0
}

/** One or more keys with spaces between, all of which must hold. */
export function parseSearchKeys(p: Cursor): SearchKey {
  let keys = 0
  let needles = 0
  const reader: KeyReader = {
    next() {
      if (++keys > MAX_KEYS) throw new Fault('limit', `a search has at most ${MAX_KEYS} keys`)
      return p.nested(() => parseSearchKey(p, reader))
    },
    needle() {
      if (++needles > MAX_NEEDLES) throw new Fault('limit', `a search looks for at most ${MAX_NEEDLES} texts`)
      return p.sp().astring()
    },
  }
  const list = [reader.next()]
  while (!p.atEnd() && p.has(' ')) {
    if (p.atEnd()) break
    list.push(reader.next())
  }
  return list.length === 1 ? list[0]! : { kind: 'and', keys: list }
}

function parseSearchKey(p: Cursor, reader: KeyReader): SearchKey {
  const first = p.peek()
  if (first === '(') return { kind: 'and', keys: p.list(reader.next) }
  if (first === '*' || first === '$' || (first >= '0' && first <= '9'))
    return { kind: 'sequence', set: p.sequenceSet() }
  const name = p.word()
  if (Object.hasOwn(plainKeys, name)) return plainKeys[name]!
  if (Object.hasOwn(keyParsers, name)) return keyParsers[name]!(p, reader)
  return p.fail(`SEARCH knows no ${name}`)
}

/** Whether `found` is true of the key or of one within it. */
export function someKey(key: SearchKey, found: (key: SearchKey) => boolean): boolean {
  if (found(key)) return true
  if (key.kind === 'not' || key.kind === 'fuzzy') return someKey(key.key, found)
  return (key.kind === 'and' || key.kind === 'or') && key.keys.some((each) => someKey(each, found))
}
