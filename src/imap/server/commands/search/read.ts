// What a search reads of the messages it could not decide yet, in pages.

import type { Ranges } from '../../../../base/index.ts'
import type { TextWindow } from '../../../../mail/index.ts'
import type { SelectedContext } from '../../command.ts'
import type { Known, Needs } from './compile.ts'

type Message = Omit<Known, 'number'>

/** What the program asks of rows. */
export async function readRows(
  { services, selected }: SelectedContext,
  uids: Ranges,
  needs: Needs,
): Promise<Message[]> {
  const rows = await services.reads.facts(selected.view.id, uids, [...needs.facts])
  return rows.map((row) => ({ uid: row.uid, row }))
}

/** Header and body texts, with the rows again so that every key can be decided. */
export async function* readTexts(context: SelectedContext, uids: Ranges, needs: Needs): AsyncGenerator<Message> {
  const { services, selected } = context
  const rows = new Map<number, Message>()
  if (needs.facts.size > 0) for (const message of await readRows(context, uids, needs)) rows.set(message.uid, message)
  let long: LongText | undefined
  for await (const window of services.reads.texts(selected.view.id, uids, { body: needs.bodies.size > 0 })) {
    const { uid, header, body, last } = window
    if (last && !long) {
      yield { uid, ...rows.get(uid), text: { header, bodyHolds: (needle) => body.includes(needle) } }
      continue
    }
    long ??= new LongText(needs.bodies, header)
    long.add(window)
    if (!last) continue
    yield { uid, ...rows.get(uid), text: long }
    long = undefined
  }
}

/** A text of several windows: which needles it holds, also where one begins in a window and ends in the next. */
class LongText {
  readonly header: string
  readonly #missing: Set<string>
  readonly #overlap: number
  #tail = ''

  constructor(needles: ReadonlySet<string>, header: string) {
    this.header = header
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
