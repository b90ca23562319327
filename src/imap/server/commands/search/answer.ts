// How a search is answered: SEARCH, SORT or ESEARCH, and which of the found messages its options speak of.

import { formatRanges, type Range } from '../../../../base/index.ts'
import { placesOf, type SearchReturn, type SearchReturns } from '../../../wire/index.ts'

/** Numbers or UIDs of the messages found, in the order asked for. */
type Hits = readonly number[]

export interface SearchAnswer {
  /** The word of the old form. */
  readonly word: 'SEARCH' | 'SORT'
  readonly tag: string
  readonly byUid: boolean
  /** Absent: the old form is wanted. */
  readonly returns?: SearchReturns
  /** Further correlators (RFC 7377 §2.1). */
  readonly source?: string
  /** Of each hit (RFC 6203 §4). */
  readonly scores?: readonly number[] | undefined
  /** Of the messages that the options speak of, when the client searched by it (RFC 7162 §3.1.5). */
  readonly modseq?: number
}

/** SEARCH and UID SEARCH without options, where IMAP4rev2 is in force. */
export const allOfThem: SearchReturns = { options: new Set<SearchReturn>(['ALL']) }

const resultOptions: readonly SearchReturn[] = ['MIN', 'MAX', 'ALL', 'COUNT', 'PARTIAL', 'RELEVANCY']

/** The untagged answer; undefined when the result is only to be saved (RFC 5182 §2.1). */
export function formatAnswer(hits: Hits, answer: SearchAnswer): string | undefined {
  const { returns, modseq } = answer
  if (!returns) {
    const shown = modseq === undefined ? '' : ` (MODSEQ ${modseq})`
    return hits.length === 0 ? `* ${answer.word}` : `* ${answer.word} ${hits.join(' ')}${shown}`
  }
  const { options } = returns
  const told = resultOptions.some((option) => options.has(option))
  if (!told && options.has('SAVE')) return undefined
  const items = formatItems(hits, returns, options.has('ALL') || !told)
  const scores = options.has('RELEVANCY') ? shownScores(answer) : []
  if (scores.length > 0) items.push(`RELEVANCY (${scores.join(' ')})`)
  if (modseq !== undefined) items.push(`MODSEQ ${modseq}`)
  const correlator = `(TAG "${answer.tag}"${answer.source ? ` ${answer.source}` : ''})`
  return ['* ESEARCH', correlator, ...(answer.byUid ? ['UID'] : []), ...items].join(' ')
}

/** Of the messages that are listed: a page, or all. */
function shownScores({ scores = [], returns }: SearchAnswer): readonly number[] {
  const { partial } = returns ?? {}
  return partial ? scores.slice(...placesOf(partial, scores.length)) : scores
}

function formatItems(hits: Hits, { options, partial }: SearchReturns, all: boolean): string[] {
  const items: string[] = []
  if (hits.length > 0) {
    if (options.has('MIN')) items.push(`MIN ${hits[0]}`)
    if (options.has('MAX')) items.push(`MAX ${hits[hits.length - 1]}`)
    if (all) items.push(`ALL ${formatInOrder(hits)}`)
  }
  if (options.has('COUNT')) items.push(`COUNT ${hits.length}`)
  if (partial) {
    const [from, to] = placesOf(partial, hits.length)
    items.push(`PARTIAL (${partial.text} ${from < to ? formatInOrder(hits.slice(from, to)) : 'NIL'})`)
  }
  return items
}

/** Only what ascends without a gap is a range, so that the order stays (RFC 5267 §3.2). */
export function formatInOrder(hits: Hits): string {
  const ranges: [number, number][] = []
  for (const hit of hits) {
    const last = ranges[ranges.length - 1]
    if (last && hit === last[1] + 1) last[1] = hit
    else ranges.push([hit, hit])
  }
  return formatRanges(ranges)
}

/** Places of the messages that the options speak of: what SAVE keeps (RFC 5182 §2.4, RFC 9394 §3.2) and MODSEQ is of (RFC 7162 §3.1.10). */
export function chosenPlaces(count: number, returns: SearchReturns | undefined): readonly Range[] {
  const options = returns?.options
  const some = options && (options.has('MIN') || options.has('MAX') || options.has('PARTIAL'))
  if (count === 0) return []
  if (!some || options.has('ALL') || options.has('COUNT')) return [[0, count]]
  const places: Range[] = []
  if (options.has('MIN')) places.push([0, 1])
  if (options.has('MAX')) places.push([count - 1, count])
  if (returns?.partial) places.push(placesOf(returns.partial, count))
  return places
}
