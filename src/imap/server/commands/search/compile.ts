// A search program as a function with three answers: yes, no, and not known yet (undefined) from what was read so far.

import { Fault, inRanges, normaliseRanges, type Range } from '../../../../base/index.ts'
import { type Fact, type MessageFacts, wantedWords } from '../../../../mail/index.ts'
import { decodeText, fold } from '../../../../mime/index.ts'
import {
  type Comparison,
  dayOf,
  headerDay,
  type SearchKey,
  type SearchProgram,
  type SequenceSet,
  savedResult,
  someKey,
} from '../../../wire/index.ts'
import type { SelectedMailbox } from '../../selected.ts'
import { type CountedWords, MAX_WORDS, Relevancy, scoreOf, weights } from './fuzzy.ts'

/** What is known of a message; the more stages were read, the more fields. */
export interface Known {
  readonly uid: number
  readonly number: number
  readonly row?: MessageFacts
  readonly text?: MessageText
  readonly lacks?: Lacks | undefined
}

/** Folded text. `bodyHolds` knows the needles of the program. */
export interface MessageText {
  readonly header: string
  /** The lines of the header, each `name: value`. */
  readonly lines: readonly string[]
  bodyHolds(needle: string): boolean
  /** How well the words fit, of those that the program counts. */
  score(counted: CountedWords): number
}

/** True when the index knows that the message holds the folded needle, or has a word that begins like this, nowhere. */
export type Lacks = (uid: number, wanted: string, as: 'needle' | 'word') => boolean

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
  /** Without which no message fits. */
  readonly required: { readonly needle: ReadonlySet<string>; readonly word: ReadonlySet<string> }
  /** Words that are looked for anywhere, and those that are counted in texts. */
  readonly words: ReadonlySet<string>
  readonly counted: ReadonlySet<string>
}

export type Test = (message: Known) => boolean | undefined

interface Building {
  readonly selected: SelectedMailbox
  readonly charset: string
  readonly now: number
  readonly needs: {
    facts: Set<Fact>
    texts: boolean
    headers: boolean
    bodies: Set<string>
    needles: Set<string>
    required: { readonly needle: Set<string>; readonly word: Set<string> }
    words: Set<string>
    counted: Set<string>
  }
  /** Whatever fits the program fits this key. */
  readonly required: boolean
  /** Within FUZZY. */
  readonly fuzzy: boolean
  readonly relevancy: Relevancy
}

/** `now`: what OLDER and YOUNGER count from. */
export function compile(
  program: Pick<SearchProgram, 'key' | 'charset'>,
  selected: SelectedMailbox,
  now: number,
): { readonly run: Test; readonly needs: Needs; readonly relevancy: Relevancy; readonly fuzzy: boolean } {
  const needs = {
    facts: new Set<Fact>(),
    texts: false,
    headers: false,
    bodies: new Set<string>(),
    needles: new Set<string>(),
    required: { needle: new Set<string>(), word: new Set<string>() },
    words: new Set<string>(),
    counted: new Set<string>(),
  }
  const relevancy = new Relevancy()
  const charset = program.charset ?? 'UTF-8'
  const run = build(program.key, { selected, charset, now, needs, required: true, fuzzy: false, relevancy })
  return { run, needs, relevancy, fuzzy: someKey(program.key, ({ kind }) => kind === 'fuzzy') }
}

/** The member of the union that may be of this kind; some members have several. */
type KeyOf<Kind, Key = SearchKey> = Key extends { kind: infer Kinds } ? (Kind extends Kinds ? Key : never) : never

type Builders = {
  readonly [kind in SearchKey['kind']]: (key: KeyOf<kind>, building: Building) => Test
}

const builders: Builders = {
  all: () => () => true,
  and: ({ keys }, building) => every(keys.map((key) => build(key, building))),
  or: ({ keys }, building) => negate(every(keys.map((key) => negate(build(key, { ...building, required: false }))))),
  not: ({ key }, building) => negate(build(key, { ...building, required: false })),
  // RFC 6203 §5: keys without a text are matched as ever.
  fuzzy: ({ key }, building) => build(key, { ...building, fuzzy: true }),
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
    const words = fuzzyWords(wanted, building)
    if (words)
      return byWords(
        words,
        head === 'subject' ? weights.subject : weights.people,
        building,
        ({ row }) => row && scoreOf(words, row[head]!),
      )
    return unlessLacking(wanted, building, ({ row }) => row && row[head]!.includes(wanted))
  },
  header: ({ name, needle }, building) => hasHeader(fold(name), foldNeedle(needle, building), building),
  body: ({ needle }, building) => {
    const wanted = foldNeedle(needle, building)
    const words = fuzzyWords(wanted, building)
    if (words) return byText({ words, where: 'body' }, building)
    building.needs.texts = true
    building.needs.bodies.add(wanted)
    return unlessLacking(wanted, building, ({ text }) => text?.bodyHolds(wanted))
  },
  text: ({ needle }, building) => {
    const wanted = foldNeedle(needle, building)
    building.needs.headers = true
    const words = fuzzyWords(wanted, building)
    if (words) return byText({ words, where: 'text' }, building)
    building.needs.texts = true
    building.needs.bodies.add(wanted)
    return unlessLacking(
      wanted,
      building,
      ({ text }) => text && (text.header.includes(wanted) || text.bodyHolds(wanted)),
    )
  },
}

/** The words to look for; undefined when the text itself is: it has no words, or FUZZY was not asked for. */
function fuzzyWords(wanted: string, { fuzzy }: Building): readonly string[] | undefined {
  const words = fuzzy ? wantedWords(wanted) : []
  return words.length > 0 ? words : undefined
}

/** True where all words are, which is noted with how well they fit. */
function byWords(
  words: readonly string[],
  weight: number,
  { needs, required, relevancy }: Building,
  score: (message: Known) => number | undefined,
): Test {
  for (const word of words) {
    needs.words.add(word)
    if (required) needs.required.word.add(word)
  }
  if (needs.words.size > MAX_WORDS) throw new Fault('limit', `a search looks for at most ${MAX_WORDS} words`)
  const note = relevancy.key(weight)
  return (message) => {
    if (words.some((word) => message.lacks?.(message.uid, word, 'word'))) return false
    const found = score(message)
    return found === undefined ? undefined : note(message.uid, found)
  }
}

function byText(counted: CountedWords, building: Building): Test {
  building.needs.texts = true
  for (const word of counted.words) building.needs.counted.add(word)
  return byWords(counted.words, weights[counted.where], building, ({ text }) => text?.score(counted))
}

/** What the index rules out is decided before anything is read. */
function unlessLacking(needle: string, { needs, required }: Building, test: Test): Test {
  needs.needles.add(needle)
  if (required) needs.required.needle.add(needle)
  return (message) => (message.lacks?.(message.uid, needle, 'needle') ? false : test(message))
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

/** A line of the folded header is `name: value`. */
function hasHeader(name: string, wanted: string, building: Building): Test {
  building.needs.texts = true
  building.needs.headers = true
  const start = `${name}:`
  const words = fuzzyWords(wanted, building)
  if (words)
    return byWords(
      words,
      weights.header,
      building,
      ({ text }) => text && Math.max(0, ...valuesOf(text, start).map((value) => scoreOf(words, value))),
    )
  return unlessLacking(wanted.length < 3 ? start : wanted, building, ({ text }) =>
    text?.lines.some((line) => line.startsWith(start) && line.includes(wanted, start.length)),
  )
}

const valuesOf = ({ lines }: MessageText, start: string): readonly string[] =>
  lines.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length))
