// What the spam filter costs: CPU for a message of 20 KB, and memory of its base.
//   node --expose-gc bench/classifier.ts

import { join } from 'node:path'
import { compose } from '../src/filters/classifier/base/compose.ts'
import { readFamilies } from '../src/filters/classifier/base/families.ts'
import { judge } from '../src/filters/classifier/score.ts'
import { tokenize } from '../src/filters/classifier/tokenize.ts'
import { emptyModel, learn } from '../src/filters/classifier/user-model.ts'

const folder = join(import.meta.dirname, '..', 'src', 'filters', 'classifier', 'base', 'heldout')
const families = readFamilies(folder)

/** Twenty kilobytes: texts of many families, as plain text and as HTML with links. */
function large(start: number): Buffer {
  const texts: string[] = []
  for (let i = start, size = 0; size < 9_000; i++) {
    const text = compose(families[i % families.length]!, i).sample.bytes.toString()
    const body = text.slice(text.indexOf('\r\n\r\n') + 4).replaceAll(/=\r\n|^--.*$|^Content-.*$/gm, '')
    texts.push(body)
    size += body.length
  }
  const plain = texts.join('\r\n').slice(0, 9_000)
  const html = plain
    .split('\r\n')
    .map(
      (line, i) =>
        `<p style="color:#333">${line}${i % 6 === 0 ? `<a href="https://www.a${i}.test/p/${i}">more</a>` : ''}</p>`,
    )
    .join('\r\n')
  const head =
    'From: Ann <ann@a.test>\r\nTo: b@b.test\r\nSubject: twenty kilobytes of mail\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\nMIME-Version: 1.0\r\n'
  return Buffer.from(
    `${head}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${plain}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}\r\n--b--\r\n`,
  )
}

const messages = Array.from({ length: 20 }, (_, i) => large(i * 7))
const gc = (globalThis as { gc?: () => void }).gc
const memory = () => {
  gc?.()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
}
const before = memory()
const { loadBase } = await import('../src/filters/classifier/base-model.ts')
const base = await loadBase()
const taken = memory() - before
const user = emptyModel()
for (const [i, bytes] of messages.entries())
  learn(user, tokenize({ bytes, size: bytes.length }).singles, i % 2 === 0 ? 'spam' : 'ham')

const run = (rounds: number) => {
  const started = process.cpuUsage()
  for (let i = 0; i < rounds; i++) {
    const bytes = messages[i % messages.length]!
    judge(tokenize({ bytes, size: bytes.length, sender: 'ann@a.test' }), base, user)
  }
  const { user: own, system } = process.cpuUsage(started)
  return (own + system) / 1_000 / rounds
}
const cold = run(20)
run(500)
const warm = run(2_000)
const size = messages.reduce((sum, one) => sum + one.length, 0) / messages.length
process.stdout.write(
  `${JSON.stringify({ bytes: Math.round(size), firstTwentyMs: Number(cold.toFixed(2)), ms: Number(warm.toFixed(3)), baseTokens: base.size, baseKiB: Math.round(taken / 1024) })}\n`,
)
