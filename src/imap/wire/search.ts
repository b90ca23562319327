// The arguments of SEARCH, SORT, THREAD and ESEARCH around their search keys: what to return, in which order, of which mailboxes.

import type { Cursor } from './cursor.ts'
import { parseSearchKeys, type SearchKey } from './search-keys.ts'

/** Places in a result, the first is 1; from its end when `last` (RFC 9394 §4). */
export interface PartialRange {
  readonly from: number
  readonly to: number
  readonly last: boolean
  /** As the client wrote it: the answer repeats it. */
  readonly text: string
}

/** RETURN options (RFC 4731 §3.1, RFC 5182 §2.1, RFC 5267 §4). */
export interface SearchReturns {
  readonly options: ReadonlySet<SearchReturn>
  readonly partial?: PartialRange
}
export type SearchReturn = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE' | 'PARTIAL' | 'CONTEXT' | 'UPDATE'

export interface SearchProgram {
  /** As given, capitals. */
  readonly charset?: string
  /** Absent: the old form of the answer. */
  readonly returns?: SearchReturns
  readonly key: SearchKey
}

const returnOptions = new Set<string>(['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE', 'PARTIAL', 'CONTEXT', 'UPDATE'])

/** Everything after `SEARCH `. */
export function parseSearchProgram(p: Cursor): SearchProgram {
  const returns = parseReturns(p)
  let charset: string | undefined
  if (p.hasWord('CHARSET')) {
    charset = parseCharset(p.sp())
    p.sp()
  }
  return { charset, returns, key: parseSearchKeys(p) }
}

const parseCharset = (p: Cursor) => p.astring().toString('latin1').toUpperCase()

/** `RETURN (…) `, or nothing. */
function parseReturns(p: Cursor): SearchReturns | undefined {
  if (!p.hasWord('RETURN')) return undefined
  p.sp().expect('(')
  const options = new Set<SearchReturn>()
  let partial: PartialRange | undefined
  while (!p.has(')')) {
    if (options.size > 0) p.sp()
    const option = p.word() as SearchReturn
    if (!returnOptions.has(option)) p.fail(`RETURN knows no ${option}`)
    if (options.has(option)) p.fail(`${option} was given twice`)
    if (option === 'PARTIAL') partial = parsePartialRange(p.sp())
    options.add(option)
  }
  // RFC 9394 §3.1.
  if (partial && options.has('ALL')) p.fail('PARTIAL and ALL exclude each other')
  // Without options the answer is that of ALL (RFC 4731 §3.1).
  if (options.size === 0) options.add('ALL')
  p.sp()
  return { options, partial }
}

/** `1:100` or `-1:-100` (RFC 9394 §4). */
export function parsePartialRange(p: Cursor): PartialRange {
  const last = p.has('-')
  const sign = last ? '-' : ''
  const a = p.nzNumber()
  p.expect(':')
  if (last) p.expect('-')
  const b = p.nzNumber()
  return { from: Math.min(a, b), to: Math.max(a, b), last, text: `${sign}${a}:${sign}${b}` }
}
