// SEARCH and UID SEARCH: a program is tried on what the view knows, then on rows, then on texts, each only for what is still undecided.

import { formatRanges, toRanges } from '../../../../base/index.ts'
import { type Cursor, parseSearchProgram, type SearchProgram } from '../../../wire/index.ts'
import { type Command, command, type SelectedContext } from '../../command.ts'
import type { Outcome } from '../../replies.ts'
import { compile } from './compile.ts'
import { readRows, readTexts } from './read.ts'

const PAGE = 1000

/** The charsets that a search may be written in; the answer names them when another is asked for (RFC 9051 §6.4.4). */
const charsets = new Set([
  'US-ASCII',
  'UTF-8',
  'ISO-8859-1',
  'ISO-8859-15',
  'WINDOWS-1252',
  'KOI8-R',
  'GB2312',
  'SHIFT_JIS',
])

const searchCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    capabilities: ['ESEARCH'],
    refresh: 'before',
    keepsNumbers: !byUid,
    parse: (p: Cursor) => parseSearchProgram(p.sp()),
    async run(context, program) {
      if (program.charset && !charsets.has(program.charset)) return badCharset
      const found = await search(context, program)
      context.out.line(format(found, program, byUid, context.connection.currentTag()))
      return { text: 'done' }
    },
  })

const badCharset: Outcome = {
  status: 'NO',
  code: `BADCHARSET (${[...charsets].join(' ')})`,
  text: 'this charset is not known here',
}

interface Found {
  readonly numbers: readonly number[]
  readonly uids: readonly number[]
}

async function search(context: SelectedContext, program: SearchProgram): Promise<Found> {
  const { selected, out } = context
  const test = compile(program, selected)
  const { numbers, uids } = selected.pickAll()
  const found = { numbers: [] as number[], uids: [] as number[] }
  for (let at = 0; at < uids.length; at += PAGE) {
    const page = uids.subarray(at, at + PAGE)
    const hits = await searchPage(context, test, page, numbers.subarray(at, at + PAGE))
    for (let i = 0; i < page.length; i++) {
      if (hits[i] !== 1) continue
      found.numbers.push(numbers[at + i]!)
      found.uids.push(page[i]!)
    }
    await out.pace()
  }
  return found
}

type Test = ReturnType<typeof compile>

/** 1 where the message matches. */
async function searchPage(context: SelectedContext, test: Test, uids: Uint32Array, numbers: Uint32Array) {
  const hits = new Uint8Array(uids.length)
  let undecided: number[] = []
  const decide = (i: number, verdict: boolean | undefined, next: number[]) => {
    if (verdict === undefined) next.push(i)
    else if (verdict) hits[i] = 1
  }
  const place = new Map<number, number>()
  for (let i = 0; i < uids.length; i++) {
    decide(i, test.run({ uid: uids[i]!, number: numbers[i]! }), undecided)
    place.set(uids[i]!, i)
  }
  const asked = () => toRanges(undecided.map((i) => uids[i]!))
  if (undecided.length > 0 && test.needs.facts.size > 0) {
    const next: number[] = []
    for (const message of await readRows(context, asked(), test.needs)) {
      const i = place.get(message.uid)
      if (i !== undefined) decide(i, test.run({ ...message, number: numbers[i]! }), next)
    }
    undecided = next
  }
  if (undecided.length > 0 && test.needs.texts)
    for await (const message of readTexts(context, asked(), test.needs)) {
      const i = place.get(message.uid)
      if (i !== undefined) decide(i, test.run({ ...message, number: numbers[i]! }), [])
    }
  return hits
}

function format({ numbers, uids }: Found, { returns }: SearchProgram, byUid: boolean, tag: string): string {
  const hits = byUid ? uids : numbers
  if (!returns) return hits.length === 0 ? '* SEARCH' : `* SEARCH ${hits.join(' ')}`
  const items: string[] = []
  const first = hits[0]
  if (first !== undefined) {
    if (returns.includes('MIN')) items.push(`MIN ${first}`)
    if (returns.includes('MAX')) items.push(`MAX ${hits[hits.length - 1]}`)
    if (returns.includes('ALL')) items.push(`ALL ${formatRanges(toRanges(hits))}`)
  }
  if (returns.includes('COUNT')) items.push(`COUNT ${hits.length}`)
  return ['* ESEARCH', `(TAG "${tag}")`, ...(byUid ? ['UID'] : []), ...items].join(' ')
}

export const searchCommands: readonly Command[] = [
  searchCommand('SEARCH', 'RFC 9051 §6.4.4', false),
  searchCommand('UID SEARCH', 'RFC 9051 §6.4.9', true),
]
