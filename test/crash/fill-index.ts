// Run on a small disk: fills the search index until there is no room, says so, and goes on when it is told that there is. One line of JSON each.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realClock, silentLog } from '../../src/base/index.ts'
import { openSearchReader, openSearchWriter } from '../../src/store/index.ts'

const data = process.argv[2]!
const writer = await openSearchWriter({ data, store: 'this', log: silentLog })
const reader = openSearchReader({ data, clock: realClock, log: silentLog })

/** Words that no other text has. */
function textOf(id: number): string {
  return Array.from({ length: 300 }, (_, i) => createHash('sha256').update(`${id}.${i}`).digest('hex')).join(' ')
}
const put = (id: number) =>
  writer.put({ contents: [{ id, text: { text: textOf(id), words: textOf(id) } }], cursors: { contents: id } })
const finds = async (id: number) => {
  const piece = textOf(id).slice(0, 12)
  const trigrams = Array.from({ length: 10 }, (_, i) => piece.slice(i, i + 3))
  return (await reader.candidates({ grams: trigrams }, 5_000))?.contents.includes(id)
}
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)

let id = 0
let reason = ''
while (reason === '' && id < 5_000)
  await put(id + 1).then(
    () => id++,
    (error: Error) => (reason = error.message),
  )
say({ indexed: id, cursor: writer.cursors.contents, reason, finds: await finds(1) })
await once(process.stdin, 'data')
await put(id + 1)
say({ cursor: writer.cursors.contents, finds: (await finds(1)) && (await finds(id + 1)) })
reader.close()
await writer.close()
process.exit()
