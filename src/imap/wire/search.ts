// The arguments of SEARCH, SORT, THREAD and ESEARCH around their search keys: what to return, in which order, of which mailboxes.

import { Fault, type Range } from '../../base/index.ts'
import type { Cursor } from './cursor.ts'
import { parseSearchKeys, type SearchKey, someKey } from './search-keys.ts'

/** Places in a result, the first is 1; from its end when `last` (RFC 9394 §4). */
export interface PartialRange {
  readonly from: number
  readonly to: number
  readonly last: boolean
  /** As the client wrote it: the answer repeats it. */
  readonly text: string
}

/** RETURN options (RFC 4731 §3.1, RFC 5182 §2.1, RFC 5267 §4, RFC 6203 §4). */
export interface SearchReturns {
  readonly options: ReadonlySet<SearchReturn>
  readonly partial?: PartialRange
}
export type SearchReturn = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE' | 'PARTIAL' | 'CONTEXT' | 'UPDATE' | 'RELEVANCY'

export interface SearchProgram {
  /** As given, capitals. */
  readonly charset?: string
  /** Absent: the old form of the answer. */
  readonly returns?: SearchReturns
  readonly key: SearchKey
}

export type SortKey =
  | 'ARRIVAL'
  | 'CC'
  | 'DATE'
  | 'FROM'
  | 'SIZE'
  | 'SUBJECT'
  | 'TO'
  | 'DISPLAYFROM'
  | 'DISPLAYTO'
  | 'RELEVANCY'
export interface SortCriterion {
  readonly key: SortKey
  readonly reverse: boolean
}
export interface SortProgram extends SearchProgram {
  readonly charset: string
  readonly criteria: readonly SortCriterion[]
}

export type ThreadAlgorithm = 'ORDEREDSUBJECT' | 'REFERENCES' | 'REFS'
export interface ThreadProgram extends SearchProgram {
  readonly charset: string
  readonly algorithm: ThreadAlgorithm
}

const sortKeys = [
  'ARRIVAL',
  'CC',
  'DATE',
  'FROM',
  'SIZE',
  'SUBJECT',
  'TO',
  'DISPLAYFROM',
  'DISPLAYTO',
  'RELEVANCY',
] as const
const threadAlgorithms = ['ORDEREDSUBJECT', 'REFERENCES', 'REFS'] as const
/** More than there are keys say nothing new. */
const MAX_CRITERIA = 20

const returnOptions = new Set<string>([
  'MIN',
  'MAX',
  'ALL',
  'COUNT',
  'SAVE',
  'PARTIAL',
  'CONTEXT',
  'UPDATE',
  'RELEVANCY',
])

/** Everything after `SEARCH `. */
export function parseSearchProgram(p: Cursor): SearchProgram {
  const returns = parseReturns(p)
  let charset: string | undefined
  if (p.hasWord('CHARSET')) {
    charset = parseCharset(p.sp())
    p.sp()
  }
  return demandFuzzy(p, { charset, returns, key: parseSearchKeys(p) })
}

/** Everything after `SORT ` (RFC 5256 §5, RFC 5267 §5). */
export function parseSortProgram(p: Cursor): SortProgram {
  const returns = parseReturns(p)
  const criteria = p.list(() => {
    const reverse = p.hasWord('REVERSE')
    if (reverse) p.sp()
    const word = p.word()
    const key = sortKeys.find((each) => each === word) ?? p.fail(`SORT knows no ${word}`)
    return { key, reverse }
  })
  if (criteria.length > MAX_CRITERIA) throw new Fault('limit', `SORT takes at most ${MAX_CRITERIA} criteria`)
  const charset = parseCharset(p.sp())
  const program = { returns, criteria, charset, key: parseSearchKeys(p.sp()) }
  return demandFuzzy(p, program, criteria)
}

/** Everything after `THREAD ` (RFC 5256 §5). */
export function parseThreadProgram(p: Cursor): ThreadProgram {
  const word = p.word()
  const algorithm = threadAlgorithms.find((each) => each === word) ?? p.fail(`THREAD knows no ${word}`)
  const charset = parseCharset(p.sp())
  return { algorithm, charset, key: parseSearchKeys(p.sp()) }
}

/** RFC 6203 §4, §6: there is no relevancy where nothing is fuzzy. */
function demandFuzzy<T extends SearchProgram>(p: Cursor, program: T, criteria: readonly SortCriterion[] = []): T {
  const relevancy = program.returns?.options.has('RELEVANCY') || criteria.some(({ key }) => key === 'RELEVANCY')
  if (relevancy && !someKey(program.key, ({ kind }) => kind === 'fuzzy')) p.fail('RELEVANCY is of FUZZY keys')
  return program
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

/** Half-open places of the range in a result of `count`. */
export function placesOf({ from, to, last }: PartialRange, count: number): Range {
  const [start, end] = last ? [count - to, count - from + 1] : [from - 1, to]
  return [Math.max(0, start), Math.max(0, Math.min(count, end))]
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

/** Which mailboxes ESEARCH looks into (RFC 7377 §2.2, RFC 5465 §6); `names` are of those kinds that take some. */
export interface MailboxFilter {
  readonly kind: 'selected' | 'inboxes' | 'personal' | 'subscribed' | 'subtree' | 'subtree-one' | 'mailboxes'
  readonly names: readonly string[]
}
export interface MultiSearchProgram extends SearchProgram {
  readonly sources: readonly MailboxFilter[]
}

const plainFilters = ['selected', 'inboxes', 'personal', 'subscribed'] as const
const namingFilters = ['subtree', 'subtree-one', 'mailboxes'] as const
/** Filters, and names of each: a client that has more asks again. */
const MAX_FILTERS = 100

/** Everything after `ESEARCH ` (RFC 7377 §3); without a source it is the selected mailbox. */
export function parseMultiSearchProgram(p: Cursor): MultiSearchProgram {
  if (!p.hasWord('IN')) return { sources: [{ kind: 'selected', names: [] }], ...parseSearchProgram(p) }
  const sources = p.sp().list(() => parseMailboxFilter(p))
  if (sources.length > MAX_FILTERS) throw new Fault('limit', `at most ${MAX_FILTERS} sources`)
  return { sources, ...parseSearchProgram(p.sp()) }
}

function parseMailboxFilter(p: Cursor): MailboxFilter {
  const word = p.word().toLowerCase()
  const plain = plainFilters.find((kind) => kind === word)
  if (plain) return { kind: plain, names: [] }
  const kind = namingFilters.find((each) => each === word) ?? p.fail(`ESEARCH looks into no ${word}`)
  p.sp()
  const names = p.peek() === '(' ? p.list(() => p.mailbox()) : [p.mailbox()]
  if (names.length > MAX_FILTERS) throw new Fault('limit', `at most ${MAX_FILTERS} names`)
  return { kind, names }
}
