// What RFC 7162 adds to the arguments of SELECT, FETCH and STORE: modseqs, and what a client knows of a mailbox.

import type { Cursor, SequenceSet } from './cursor.ts'
import { type PartialRange, parsePartialRange } from './search.ts'

/** What a client knew when it last saw the mailbox (RFC 7162 §3.2.5). */
export interface KnownState {
  readonly uidValidity: number
  readonly modseq: number
  /** Absent: all UIDs. */
  readonly uids?: SequenceSet
  /** Numbers were given beside UIDs. They would spare a server work that does not remember its expunges: this one does. */
  readonly numbers: boolean
}

export interface SelectParameters {
  readonly condstore: boolean
  readonly qresync?: KnownState
}

/** ` (CONDSTORE QRESYNC (…))`, or nothing. */
export function parseSelectParameters(p: Cursor): SelectParameters {
  if (!p.has(' ') || p.atEnd()) return { condstore: false }
  let condstore = false
  let qresync: KnownState | undefined
  p.list(() => {
    const name = p.word()
    if (name === 'CONDSTORE') condstore = true
    else if (name === 'QRESYNC') qresync = parseKnownState(p.sp())
    else p.fail(`SELECT knows no ${name}`)
  })
  return { condstore, qresync }
}

function parseKnownState(p: Cursor): KnownState {
  const uidValidity = p.expect('(').nzNumber()
  const modseq = p.sp().modSequenceValzer()
  let uids: SequenceSet | undefined
  let numbers = false
  if (p.has(' ') && p.peek() !== '(') {
    uids = p.knownSet()
    if (p.has(' ')) numbers = parseNumbers(p)
  } else if (p.peek() === '(') numbers = parseNumbers(p)
  p.expect(')')
  return { uidValidity, modseq, uids, numbers }
}

function parseNumbers(p: Cursor): true {
  p.expect('(').knownSet()
  p.sp().knownSet()
  p.expect(')')
  return true
}

export interface FetchModifiers {
  readonly changedSince?: number
  readonly vanished: boolean
  readonly partial?: PartialRange
}

/** ` (CHANGEDSINCE 5 VANISHED PARTIAL 1:9)`, or nothing. */
export function parseFetchModifiers(p: Cursor): FetchModifiers {
  if (!p.has(' ') || p.atEnd()) return { vanished: false }
  let changedSince: number | undefined
  let vanished = false
  let partial: PartialRange | undefined
  p.list(() => {
    const name = p.word()
    if (name === 'PARTIAL' && !partial) partial = parsePartialRange(p.sp())
    else if (name === 'CHANGEDSINCE') changedSince = p.sp().modSequenceValzer()
    else if (name === 'VANISHED') vanished = true
    else p.fail(`FETCH knows no ${name}`)
  })
  return { changedSince, vanished, partial }
}

/** `(UNCHANGEDSINCE 5) `, or nothing. */
export function parseUnchangedSince(p: Cursor): number | undefined {
  if (p.peek() !== '(') return undefined
  let since: number | undefined
  p.list(() => {
    const name = p.word()
    if (name !== 'UNCHANGEDSINCE') p.fail(`STORE knows no ${name}`)
    if (since !== undefined) p.fail('UNCHANGEDSINCE twice')
    since = p.sp().modSequenceValzer()
  })
  p.sp()
  return since
}
