// The form in which a message leaves: as it is, or with its parts encoded for a host that takes less. A place for what must see
// the very bytes that go out.

import { convert, createScanner, type Limit, planConversion } from '../mime/index.ts'
import { type Opened, openBytes } from './content.ts'

/** What a message has, and what a host takes, from the least to the most. */
export type Form = Limit | 'binary'
const order: readonly Form[] = ['7bit', '8bit', 'binary']

/** Whether `taken` is less than what `form` needs. */
export function isWorse(taken: Form, form: Form): boolean {
  return order.indexOf(taken) < order.indexOf(form)
}

export interface Formed {
  readonly opened: Opened
  readonly form: Form
  readonly size: number
}
export interface Refused {
  readonly refused: { readonly status: string; readonly why: string }
}

/** Converted messages up to this size stay in memory; larger ones are converted each time that they are read. */
const maxInMemory = 131_072

/** The message converted to what the host takes (RFC 6152 §3, RFC 3030 §3). Reads it twice, and larger ones once more to know their size. */
export async function toForm(opened: Opened, takes: Form): Promise<Formed | Refused> {
  const limit: Limit = takes === '7bit' ? '7bit' : '8bit'
  const plan = await planConversion(opened.data, limit)
  if ('problem' in plan) return { refused: { ...plan.problem } }
  if (opened.whole && opened.whole.length <= maxInMemory) {
    const pieces: Buffer[] = []
    for await (const piece of convert(plan, opened.data())) pieces.push(piece)
    const whole = Buffer.concat(pieces)
    return { opened: openBytes(whole), form: plan.form, size: whole.length }
  }
  let size = 0
  for await (const piece of convert(plan, opened.data())) size += piece.length
  return { opened: { data: () => convert(plan, opened.data()) }, form: plan.form, size }
}

/** What only the message itself can say. */
export async function readFacts({ data }: Opened): Promise<{ readonly header8bit: boolean }> {
  const scanner = createScanner()
  for await (const chunk of data()) scanner.write(chunk)
  return { header8bit: scanner.end().header8bit === true }
}
