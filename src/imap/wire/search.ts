// SEARCH criteria (RFC 9051 §6.4.4, RFC 3501 §6.4.4) as a tree of values. Strings stay bytes until the charset is known.

import type { Cursor, SequenceSet } from './cursor.ts'

export type Head = 'from' | 'to' | 'cc' | 'bcc' | 'subject'
export type Comparison = 'before' | 'on' | 'since'

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'and'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'or'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | { readonly kind: 'sequence' | 'uid'; readonly set: SequenceSet }
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'recent' }
  | { readonly kind: 'internal' | 'sent'; readonly compare: Comparison; readonly day: number }
  | { readonly kind: 'larger' | 'smaller'; readonly size: number }
  | { readonly kind: 'head'; readonly head: Head; readonly needle: Buffer }
  | { readonly kind: 'header'; readonly name: string; readonly needle: Buffer }
  | { readonly kind: 'body' | 'text'; readonly needle: Buffer }

export type SearchReturn = 'MIN' | 'MAX' | 'ALL' | 'COUNT'

export interface SearchProgram {
  /** As given, capitals. */
  readonly charset?: string
  /** RETURN options (RFC 4731 §3.1); absent: the old form of the answer. An empty list means ALL. */
  readonly returns?: readonly SearchReturn[]
  readonly key: SearchKey
}

/** Each key may look at every message, so that their number is what a search costs. */
const MAX_KEYS = 1000

const flag = (name: string): SearchKey => ({ kind: 'flag', flag: name })
const not = (key: SearchKey): SearchKey => ({ kind: 'not', key })
const recent: SearchKey = { kind: 'recent' }

const plainKeys: { readonly [name: string]: SearchKey } = {
  ALL: { kind: 'all' },
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
}

type KeyParser = (p: Cursor, next: () => SearchKey) => SearchKey

const head =
  (name: Head): KeyParser =>
  (p) => ({ kind: 'head', head: name, needle: p.sp().astring() })
const dated =
  (kind: 'internal' | 'sent', compare: Comparison): KeyParser =>
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
  BODY: (p) => ({ kind: 'body', needle: p.sp().astring() }),
  TEXT: (p) => ({ kind: 'text', needle: p.sp().astring() }),
  KEYWORD: (p) => flag(p.sp().atom()),
  UNKEYWORD: (p) => not(flag(p.sp().atom())),
  LARGER: (p) => ({ kind: 'larger', size: p.sp().number() }),
  SMALLER: (p) => ({ kind: 'smaller', size: p.sp().number() }),
  UID: (p) => ({ kind: 'uid', set: p.sp().sequenceSet() }),
  HEADER: (p) => ({
    kind: 'header',
    name: p.sp().astring().toString('latin1'),
    needle: p.sp().astring(),
  }),
  NOT: (p, next) => {
    p.sp()
    return not(next())
  },
  OR: (p, next) => {
    p.sp()
    const first = next()
    p.sp()
    return { kind: 'or', keys: [first, next()] }
  },
}

/** Everything after `SEARCH `. */
export function parseSearchProgram(p: Cursor): SearchProgram {
  let returns: SearchReturn[] | undefined
  if (p.hasWord('RETURN')) {
    returns = parseReturns(p.sp())
    p.sp()
  }
  let charset: string | undefined
  if (p.hasWord('CHARSET')) {
    charset = p.sp().astring().toString('latin1').toUpperCase()
    p.sp()
  }
  return { charset, returns, key: parseSearchKeys(p) }
}

const returnOptions = new Set<string>(['MIN', 'MAX', 'ALL', 'COUNT'])

function parseReturns(p: Cursor): SearchReturn[] {
  p.expect('(')
  if (p.has(')')) return ['ALL']
  const options: SearchReturn[] = []
  do {
    const option = p.word()
    if (!returnOptions.has(option)) p.fail(`RETURN knows no ${option}`)
    options.push(option as SearchReturn)
  } while (p.has(' '))
  p.expect(')')
  return options
}

function parseSearchKeys(p: Cursor): SearchKey {
  let count = 0
  const next = (): SearchKey => {
    if (++count > MAX_KEYS) p.fail(`more than ${MAX_KEYS} search keys`)
    return p.nested(() => parseSearchKey(p, next))
  }
  const keys = [next()]
  while (!p.atEnd() && p.has(' ')) {
    if (p.atEnd()) break
    keys.push(next())
  }
  return keys.length === 1 ? keys[0]! : { kind: 'and', keys }
}

function parseSearchKey(p: Cursor, next: () => SearchKey): SearchKey {
  const first = p.peek()
  if (first === '(') return { kind: 'and', keys: p.list(next) }
  if (first === '*' || (first >= '0' && first <= '9')) return { kind: 'sequence', set: p.sequenceSet() }
  const name = p.word()
  if (Object.hasOwn(plainKeys, name)) return plainKeys[name]!
  if (Object.hasOwn(keyParsers, name)) return keyParsers[name]!(p, next)
  return p.fail(`SEARCH knows no ${name}`)
}
