// A process that fills the search index of a folder until it is killed: for the test of that.

import { silentLog } from '../../base/index.ts'
import { openSearchWriter } from '../../store/index.ts'

const writer = await openSearchWriter({ data: process.argv[2]!, store: 'this', log: silentLog })
process.stdout.write('begun\n')
for (let id = writer.cursors.contents + 1; ; id += 5) {
  const contents = Array.from({ length: 5 }, (_, i) => ({
    id: id + i,
    text: { text: `the text of ${id + i}: ${'lorem '.repeat(i * 50)}`, words: `the text of ${id + i}` },
  }))
  await writer.put({ contents, cursors: { contents: id + 4 }, last: { id: id + 4, hash: '00' } })
}
