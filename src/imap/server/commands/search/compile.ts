// A search program as a function with three answers: yes, no, and not known yet (undefined) from what was read so far.

import { inRanges, normaliseRanges, type Range } from '../../../../base/index.ts'
import type { Fact, MessageFacts } from '../../../../mail/index.ts'
import { decodeText, fold } from '../../../../mime/index.ts'
import {
  type Comparison,
  dayOf,
  headerDay,
  type SearchKey,
  type SearchProgram,
  type SequenceSet,
  savedResult,
} from '../../../wire/index.ts'
import type { SelectedMailbox } from '../../selected.ts'

/** What is known of a message; the more stages were read, the more fields. */
export interface Known {
  readonly uid: number
  readonly number: number
  readonly row?: MessageFacts
  readonly text?: MessageText
  /** True when the index knows that the message holds the folded needle nowhere. */
  readonly lacks?: ((uid: number, needle: string) => boolean) | undefined
}

/** Folded text. `bodyHolds` knows the needles of the program. */
export interface MessageText {
  readonly header: string
  /** The lines of the header, each `name: value`. */
  readonly lines: readonly string[]
  bodyHolds(needle: string): boolean
}

/** Which stages a program may have to read. */
export interface Needs {
  /** Of rows. */
  readonly facts: ReadonlySet<Fact>
  readonly texts: boolean
  /** Of texts: the headers too. */
  readonly headers: boolean
  /** Folded texts that are looked for in bodies. */
  readonly bodies: ReadonlySet<string>
  /** Folded texts that are looked for anywhere. */
  readonly needles: ReadonlySet<string>
}

export type Test = (message: Known) => boolean | undefined

interface Building {
  readonly selected: SelectedMailbox
  readonly charset: string
  readonly now: number
  readonly needs: { facts: Set<Fact>; texts: boolean; headers: boolean; bodies: Set<string>; needles: Set<string> }
}

/** `now`: what OLDER and YOUNGER count from. */
export function compile(
  program: Pick<SearchProgram, 'key' | 'charset'>,
  selected: SelectedMailbox,
  now: number,
): { readonly run: Test; readonly needs: Needs } {
  const needs = {
    facts: new Set<Fact>(),
    texts: false,
    headers: false,
    bodies: new Set<string>(),
    needles: new Set<string>(),
  }
  const run = build(program.key, { selected, charset: program.charset ?? 'UTF-8', now, needs })
  return { run, needs }
}

/** The member of the union that may be of this kind; some members have several. */
type KeyOf<Kind, Key = SearchKey> = Key extends { kind: infer Kinds } ? (Kind extends Kinds ? Key : never) : never

type Builders = {
  readonly [kind in SearchKey['kind']]: (key: KeyOf<kind>, building: Building) => Test
}

const builders: Builders = {
  all: () => () => true,
  and: ({ keys }, building) => every(keys.map((key) => build(key, building))),
  or: ({ keys }, building) => negate(every(keys.map((key) => negate(build(key, building))))),
  not: ({ key }, building) => negate(build(key, building)),
  sequence: ({ set }, { selected }) => within(set, selected, selected.exists, ({ number }) => number),
  uid: ({ set }, { selected }) => within(set, selected, selected.lastUid, ({ uid }) => uid),
  flag: ({ flag }, { selected }) => hasFlag(flag, selected),
  recent:
    (_, { selected }) =>
    ({ uid }) =>
      selected.isRecent(uid),
  internal: onDay('receivedAt'),
  saved: onDay('savedAt'),
  sent: ({ compare, day }, building) => {
    building.needs.facts.add('sentAt').add('envelope')
    return ({ row }) => {
      if (!row) return undefined
      const sent = sentDay(row)
      return sent !== undefined && compareDays[compare](sent, day)
    }
  },
  // RFC 5032 §3: both include the moment itself.
  older: ({ seconds }, building) => {
    building.needs.facts.add('receivedAt')
    const then = building.now - seconds * 1000
    return ({ row }) => row && row.receivedAt! <= then
  },
  younger: ({ seconds }, building) => {
    building.needs.facts.add('receivedAt')
    const then = building.now - seconds * 1000
    return ({ row }) => row && row.receivedAt! >= then
  },
  larger: ({ size }, building) => {
    building.needs.facts.add('size')
    return ({ row }) => row && row.size! > size
  },
  smaller: ({ size }, building) => {
    building.needs.facts.add('size')
    return ({ row }) => row && row.size! < size
  },
  modseq: ({ modseq }, { selected: { view } }) => {
    return ({ uid }) => {
      const index = view.indexOf(uid)
      return index >= 0 && view.modseqs[index]! >= modseq
    }
  },
  email: ({ id }, building) => {
    building.needs.facts.add('message')
    return ({ row }) => row && row.message === id
  },
  thread: ({ id }, building) => {
    building.needs.facts.add('thread')
    return ({ row }) => row && row.thread === id
  },
  head: ({ head, needle }, building) => {
    const wanted = foldNeedle(needle, building)
    // An empty needle asks whether the header is there.
    if (wanted === '') return hasHeader(head, '', building)
    building.needs.facts.add(head)
    return unlessLacking(wanted, building, ({ row }) => row && row[head]!.includes(wanted))
  },
  header: ({ name, needle }, building) => hasHeader(fold(name), foldNeedle(needle, building), building),
  body: ({ needle }, building) => {
    const wanted = findInBody(needle, building)
    return unlessLacking(wanted, building, ({ text }) => text?.bodyHolds(wanted))
  },
  text: ({ needle }, building) => {
    const wanted = findInBody(needle, building)
    building.needs.headers = true
    return unlessLacking(
      wanted,
      building,
      ({ text }) => text && (text.header.includes(wanted) || text.bodyHolds(wanted)),
    )
  },
}

/** What the index rules out is decided before anything is read. */
function unlessLacking(needle: string, { needs }: Building, test: Test): Test {
  needs.needles.add(needle)
  return (message) => (message.lacks?.(message.uid, needle) ? false : test(message))
}

function build(key: SearchKey, building: Building): Test {
  return (builders[key.kind] as (key: SearchKey, building: Building) => Test)(key, building)
}

const negate =
  (test: Test): Test =>
  (message) => {
    const verdict = test(message)
    return verdict === undefined ? undefined : !verdict
  }

/** False if one is false; unknown if one is unknown. */
const every =
  (tests: readonly Test[]): Test =>
  (message) => {
    let verdict: boolean | undefined = true
    for (const test of tests) {
      const one = test(message)
      if (one === false) return false
      if (one === undefined) verdict = undefined
    }
    return verdict
  }

/** `last` is what `*` stands for: `n:*` always holds the last message (RFC 9051 §6.4.9). */
function within(set: SequenceSet, selected: SelectedMailbox, last: number, of: (message: Known) => number): Test {
  if (set === savedResult) {
    const saved = new Set(selected.saved)
    return ({ uid }) => saved.has(uid)
  }
  const star = (n: number) => (Number.isFinite(n) ? n : last)
  const ranges = normaliseRanges(set.map(([a, b]): Range => [star(a), star(b)]))
  return (message) => inRanges(ranges, of(message))
}

function hasFlag(flag: string, selected: SelectedMailbox): Test {
  const bits = selected.view.flagBits(flag)
  if (!bits) return () => false
  return ({ uid }) => {
    const index = selected.view.indexOf(uid)
    return index >= 0 && ((selected.view.lo[index]! & bits.lo) !== 0 || (selected.view.hi[index]! & bits.hi) !== 0)
  }
}

const compareDays: { readonly [compare in Comparison]: (value: number, day: number) => boolean } = {
  before: (value, day) => value < day,
  on: (value, day) => value === day,
  since: (value, day) => value >= day,
}

function onDay(fact: 'receivedAt' | 'savedAt') {
  return ({ compare, day }: KeyOf<'internal'>, building: Building): Test => {
    building.needs.facts.add(fact)
    return ({ row }) => row && compareDays[compare](dayOf(row[fact]!), day)
  }
}

/** The day in the sender's zone, as the Date header has it (RFC 9051 §6.4.4 disregards the zone). */
function sentDay({ envelope, sentAt }: MessageFacts): number | undefined {
  const date = envelopeDate(envelope!)
  const day = date === undefined ? undefined : headerDay(date)
  return day ?? (sentAt == null ? undefined : dayOf(sentAt))
}

/** The first field of an ENVELOPE, when it is a string. */
function envelopeDate(envelope: string): string | undefined {
  if (!envelope.startsWith('("')) return undefined
  return envelope.slice(2, envelope.indexOf('"', 2))
}

const foldNeedle = (needle: Buffer, { charset }: Building) => fold(decodeText(needle, charset))

function findInBody(needle: Buffer, building: Building): string {
  const wanted = foldNeedle(needle, building)
  building.needs.texts = true
  building.needs.bodies.add(wanted)
  return wanted
}

/** A line of the folded header is `name: value`. */
function hasHeader(name: string, wanted: string, building: Building): Test {
  building.needs.texts = true
  building.needs.headers = true
  const start = `${name}:`
  return unlessLacking(wanted.length < 3 ? start : wanted, building, ({ text }) =>
    text?.lines.some((line) => line.startsWith(start) && line.includes(wanted, start.length)),
  )
}
