// What a search reads of the messages it could not decide yet, in pages.

import type { Ranges } from '../../../../base/index.ts'
import type { SelectedContext } from '../../command.ts'
import type { Known, Needs } from './compile.ts'

type Message = Omit<Known, 'number'>

/** Rows with dates, sizes and the texts of the main headers. */
export async function* readRows(context: SelectedContext, uids: Ranges, needs: Needs): AsyncGenerator<Message> {
  yield* await rowsOf(context, uids, needs)
}

async function rowsOf({ services, selected }: SelectedContext, uids: Ranges, needs: Needs): Promise<Message[]> {
  const rows = await services.reads.rows(selected.view.id, uids, { heads: needs.heads, envelope: needs.dates })
  return rows.map((row) => {
    const { uid, size, receivedAt, sentAt, heads, envelope } = row
    return { uid, row: { size, receivedAt, sentAt, heads, date: envelope && envelopeDate(envelope) } }
  })
}

/** The first field of an ENVELOPE, when it is a string. */
function envelopeDate(envelope: string): string | undefined {
  if (!envelope.startsWith('("')) return undefined
  return envelope.slice(2, envelope.indexOf('"', 2))
}

/** Header and body texts, with the rows again so that every key can be decided. */
export async function* readTexts(context: SelectedContext, uids: Ranges, needs: Needs): AsyncGenerator<Message> {
  const { services, selected } = context
  const rows = new Map<number, Message>()
  if (needs.rows) for (const message of await rowsOf(context, uids, needs)) rows.set(message.uid, message)
  let left = uids
  while (left.length > 0) {
    const texts = await services.reads.texts(selected.view.id, left)
    // Not yet: RFC 9051 §6.4.4. Of a text that was cut at a mebibyte only what is stored is searched.
    for (const { uid, header, body } of texts) yield { uid, ...rows.get(uid), text: { header, body } }
    const last = texts[texts.length - 1]
    left = last ? left.map(([from, to]) => [Math.max(from, last.uid + 1), to] as const).filter(([a, b]) => a <= b) : []
  }
}
