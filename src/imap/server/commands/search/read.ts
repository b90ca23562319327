// What a search reads of the messages it could not decide yet, in pages.

import { toRanges } from '../../../../base/index.ts'
import {
  type Columns,
  type Fact,
  type MessageFacts,
  type SearchColumn,
  searchColumns,
  type TextWindow,
  WordCount,
  wordScore,
} from '../../../../mail/index.ts'
import type { SelectedMailbox } from '../../selected.ts'
import type { Known, MessageText, Needs } from './compile.ts'
import type { CountedWords } from './fuzzy.ts'
import type { SearchContext } from './run.ts'

type Message = Omit<Known, 'number'>

/** What the program asks of rows; `uids` ascend. */
export async function readRows(
  { services }: SearchContext,
  { view }: SelectedMailbox,
  uids: Uint32Array,
  needs: Needs,
): Promise<Message[]> {
  const facts = [...needs.facts]
  if (!facts.every(isSearchColumn)) {
    const rows = await services.reads.facts(view.id, toRanges(uids), facts)
    return rows.map((row) => ({ uid: row.uid, row }))
  }
  const found: Message[] = []
  let asked = 0
  for await (const columns of services.reads.columns(view.id, uids, facts)) {
    for (let at = 0; at < columns.uids.length; at++) {
      const uid = columns.uids[at]!
      while (asked < uids.length && uids[asked]! < uid) asked++
      if (uids[asked] === uid) found.push({ uid, row: rowAt(columns, at, facts) })
    }
  }
  return found
}

const isSearchColumn = (fact: Fact): fact is SearchColumn => searchColumns.includes(fact as SearchColumn)

function rowAt({ uids, values }: Columns<SearchColumn>, at: number, facts: readonly SearchColumn[]): MessageFacts {
  const row: { uid: number } & { [fact in SearchColumn]?: string | number | null } = { uid: uids[at]! }
  for (const fact of facts) {
    const value = values[fact]
    if (!(value instanceof Float64Array)) row[fact] = value.texts[value.places[at]!]!
    else row[fact] = Number.isNaN(value[at]) ? null : value[at]!
  }
  return row as MessageFacts
}

/** Shows header and body texts, with the rows again so that every key can be decided. */
export async function readTexts(
  context: SearchContext,
  selected: SelectedMailbox,
  uids: Uint32Array,
  needs: Needs,
  show: (message: Message) => void,
): Promise<void> {
  const rows = new Map<number, Message>()
  if (needs.facts.size > 0)
    for (const message of await readRows(context, selected, uids, needs)) rows.set(message.uid, message)
  let long: LongText | undefined
  const take = (window: TextWindow) => {
    const { uid, last } = window
    if (last && !long) {
      show({ uid, ...rows.get(uid), text: new ShortText(needs, window) })
      return
    }
    long ??= new LongText(needs, window.header)
    long.add(window)
    if (!last) return
    show({ uid, ...rows.get(uid), text: long })
    long = undefined
  }
  const want = { header: needs.headers, body: needs.bodies.size + needs.counted.size > 0 }
  for await (const windows of context.services.reads.texts(selected.view.id, toRanges(uids), want))
    windows.forEach(take)
}

/** The header, and words of both: each text is taken apart once, however many keys look for words. */
abstract class AnyText {
  readonly header: string
  protected readonly counted: ReadonlySet<string>
  #lines: readonly string[] | undefined
  #headerWords: WordCount | undefined

  constructor(header: string, counted: ReadonlySet<string>) {
    this.header = header
    this.counted = counted
  }

  get lines(): readonly string[] {
    this.#lines ??= this.header.split('\n')
    return this.#lines
  }

  abstract bodyWords(): WordCount

  score({ words, where }: CountedWords): number {
    if (where === 'body') return wordScore(words, this.bodyWords())
    this.#headerWords ??= new WordCount(this.counted).add(this.header)
    return wordScore(words, this.#headerWords, this.bodyWords())
  }
}

/** A text of one window. */
class ShortText extends AnyText implements MessageText {
  readonly #body: string
  #words: WordCount | undefined

  constructor({ counted }: Needs, { header, body }: TextWindow) {
    super(header, counted)
    this.#body = body
  }

  bodyHolds(needle: string): boolean {
    return this.#body.includes(needle)
  }

  bodyWords(): WordCount {
    this.#words ??= new WordCount(this.counted).add(this.#body)
    return this.#words
  }
}

/** A text of several windows: which needles it holds, also where one begins in a window and ends in the next. */
class LongText extends AnyText implements MessageText {
  readonly #missing: Set<string>
  readonly #overlap: number
  readonly #words: WordCount
  #tail = ''

  constructor({ bodies, counted }: Needs, header: string) {
    super(header, counted)
    this.#missing = new Set(bodies)
    this.#overlap = Math.max(...[...bodies].map(({ length }) => length), 1) - 1
    this.#words = new WordCount(counted)
  }

  add({ body }: TextWindow): void {
    const text = this.#tail + body
    for (const needle of this.#missing) if (text.includes(needle)) this.#missing.delete(needle)
    this.#tail = this.#overlap === 0 ? '' : text.slice(-this.#overlap)
    if (this.counted.size > 0) this.#words.addPiece(body)
  }

  bodyHolds(needle: string): boolean {
    return !this.#missing.has(needle)
  }

  bodyWords(): WordCount {
    return this.#words.end()
  }
}
