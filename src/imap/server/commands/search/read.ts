// What a search reads of the messages it could not decide yet, in pages.

import type { Ranges } from '../../../../base/index.ts'
import type { TextWindow } from '../../../../mail/index.ts'
import type { SelectedMailbox } from '../../selected.ts'
import type { Known, MessageText, Needs } from './compile.ts'
import type { SearchContext } from './run.ts'

type Message = Omit<Known, 'number'>

/** What the program asks of rows. */
export async function readRows(
  { services }: SearchContext,
  { view }: SelectedMailbox,
  uids: Ranges,
  needs: Needs,
): Promise<Message[]> {
  const rows = await services.reads.facts(view.id, uids, [...needs.facts])
  return rows.map((row) => ({ uid: row.uid, row }))
}

/** Shows header and body texts, with the rows again so that every key can be decided. */
export async function readTexts(
  context: SearchContext,
  selected: SelectedMailbox,
  uids: Ranges,
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
      show({ uid, ...rows.get(uid), text: new ShortText(window) })
      return
    }
    long ??= new LongText(needs.bodies, window.header)
    long.add(window)
    if (!last) return
    show({ uid, ...rows.get(uid), text: long })
    long = undefined
  }
  const want = { header: needs.headers, body: needs.bodies.size > 0 }
  for await (const windows of context.services.reads.texts(selected.view.id, uids, want)) windows.forEach(take)
}

class Header {
  readonly header: string
  #lines: readonly string[] | undefined

  constructor(header: string) {
    this.header = header
  }

  get lines(): readonly string[] {
    this.#lines ??= this.header.split('\n')
    return this.#lines
  }
}

/** A text of one window. */
class ShortText extends Header implements MessageText {
  readonly #body: string

  constructor({ header, body }: TextWindow) {
    super(header)
    this.#body = body
  }

  bodyHolds(needle: string): boolean {
    return this.#body.includes(needle)
  }
}

/** A text of several windows: which needles it holds, also where one begins in a window and ends in the next. */
class LongText extends Header implements MessageText {
  readonly #missing: Set<string>
  readonly #overlap: number
  #tail = ''

  constructor(needles: ReadonlySet<string>, header: string) {
    super(header)
    this.#missing = new Set(needles)
    this.#overlap = Math.max(...[...needles].map(({ length }) => length), 1) - 1
  }

  add({ body }: TextWindow): void {
    const text = this.#tail + body
    for (const needle of this.#missing) if (text.includes(needle)) this.#missing.delete(needle)
    this.#tail = this.#overlap === 0 ? '' : text.slice(-this.#overlap)
  }

  bodyHolds(needle: string): boolean {
    return !this.#missing.has(needle)
  }
}
