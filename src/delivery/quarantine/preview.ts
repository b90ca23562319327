// What can be shown of a message in the quarantine without harm: fields of its header and first lines, as text.

import type { ContentId } from '../../base/index.ts'
import { decodeWords, fieldValue, type Part, parseFields, readFirstLines } from '../../mime/index.ts'
import { quarantineRows, type ReadStore, toBuffer } from '../../store/index.ts'
import { oneLine } from '../verdicts/findings.ts'

const maxHeader = 65_536
const maxFields = 100
const maxName = 80
const maxValue = 500
const maxLines = 20
const lineWidth = 200

export interface Shown {
  readonly header: readonly { readonly name: string; readonly value: string }[]
  readonly lines: readonly string[]
}

/** Undefined when the content is gone. */
export async function previewOf(store: ReadStore, content: ContentId): Promise<Shown | undefined> {
  const row = await store.read((tx) => quarantineRows.contentOf(tx, content))
  if (!row) return undefined
  const { file, data } = row
  const read = async (start: number, end: number): Promise<Buffer> =>
    data ? toBuffer(data).subarray(start, end) : file ? store.blobs.read(file, start, end) : Buffer.alloc(0)
  const root = JSON.parse(row.structure) as Part
  const header = await read(0, Math.min(root.body, maxHeader))
  const steps = readFirstLines(root, maxLines, lineWidth)
  let step = steps.next()
  while (!step.done) {
    const [start, end] = step.value
    step = steps.next(await read(start, end))
  }
  return { header: toFields(header), lines: step.value }
}

function toFields(header: Buffer): Shown['header'] {
  return parseFields(header)
    .slice(0, maxFields)
    .map((field) => ({
      name: oneLine(field.name, maxName),
      value: visible(decodeWords(fieldValue(header, field)), maxValue),
    }))
}

/** One line without marks that turn writing round. */
export function visible(text: string, most: number): string {
  let out = ''
  for (const char of oneLine(text, most)) {
    const code = char.codePointAt(0)!
    const turns = code === 0x61c || (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e)
    if (!turns && !(code >= 0x2060 && code <= 0x206f) && !(code >= 0xd800 && code <= 0xdfff)) out += char
  }
  return out
}
