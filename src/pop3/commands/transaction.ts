// The TRANSACTION state: the list of messages, their text, and what is to be removed.

import { SyntaxFault } from '../../base/index.ts'
import { type Command, command, type TransactionContext } from '../command.ts'
import { DotWriter, noArguments, oneNumber, optionalNumber, parseNumber, TopCutter, words } from '../line.ts'
import type { Maildrop } from '../maildrop.ts'
import type { Outcome } from '../replies.ts'

const states = ['transaction'] as const

const noSuchMessage: Outcome = { ok: false, text: 'no such message' }

const stat = command({
  name: 'STAT',
  rfc: 'RFC 1939 §5',
  states,
  parse: noArguments,
  run: ({ maildrop: { total } }) => ({ ok: true, text: `${total.count} ${total.size}` }),
})

const list = command({
  name: 'LIST',
  rfc: 'RFC 1939 §5',
  states,
  parse: optionalNumber,
  async run({ maildrop }, number) {
    if (number === undefined) {
      const { count, size } = maildrop.total
      return { ok: true, text: `${count} messages (${size} octets)`, body: listLines(maildrop) }
    }
    if (!maildrop.has(number)) return noSuchMessage
    return { ok: true, text: `${number} ${await maildrop.size(number)}` }
  },
})

/** A page of lines at a time; others get their turn in between. */
async function* listLines(maildrop: Maildrop): AsyncGenerator<Buffer> {
  for (const numbers of maildrop.pages()) {
    const sizes = await maildrop.sizes(numbers)
    yield Buffer.from(numbers.map((number, i) => `${number} ${sizes[i]}\r\n`).join(''))
    await turn()
  }
  yield lastLine
}

const lastLine = Buffer.from('.\r\n')
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

const uidl = command({
  name: 'UIDL',
  rfc: 'RFC 1939 §7',
  states,
  capabilities: () => ['UIDL'],
  parse: optionalNumber,
  run({ maildrop }, number) {
    if (number === undefined) return { ok: true, text: 'unique ids', body: uidlLines(maildrop) }
    return maildrop.has(number) ? { ok: true, text: `${number} ${maildrop.uniqueId(number)}` } : noSuchMessage
  },
})

async function* uidlLines(maildrop: Maildrop): AsyncGenerator<Buffer> {
  for (const numbers of maildrop.pages()) {
    yield Buffer.from(numbers.map((number) => `${number} ${maildrop.uniqueId(number)}\r\n`).join(''))
    await turn()
  }
  yield lastLine
}

const retr = command({
  name: 'RETR',
  rfc: 'RFC 1939 §5',
  states,
  parse: oneNumber,
  async run({ maildrop, stats }, number) {
    if (!maildrop.has(number)) return noSuchMessage
    const row = await maildrop.row(number)
    stats.retrieved++
    // \Seen is what a person has read: fetching is not reading, and IMAP's other clients would show it as such.
    return { ok: true, text: `${row.size} octets`, body: dotted(maildrop.stream(row)) }
  },
})

const top = command({
  name: 'TOP',
  rfc: 'RFC 1939 §7',
  states,
  capabilities: () => ['TOP'],
  parse(rest) {
    const [number, lines, ...more] = words(rest)
    if (more.length > 0) throw new SyntaxFault('a message number and a number of lines were expected')
    return { number: parseNumber(number), lines: parseNumber(lines) }
  },
  async run({ maildrop }, { number, lines }) {
    if (!maildrop.has(number)) return noSuchMessage
    const row = await maildrop.row(number)
    return { ok: true, text: 'top of the message', body: dotted(cut(maildrop.stream(row), lines)) }
  },
})

async function* cut(pieces: AsyncIterable<Buffer>, lines: number): AsyncGenerator<Buffer> {
  const cutter = new TopCutter(lines)
  for await (const piece of pieces) {
    yield cutter.piece(piece)
    if (cutter.done) return
  }
}

async function* dotted(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const writer = new DotWriter()
  for await (const piece of pieces) yield writer.piece(piece)
  yield writer.end()
}

const dele = command({
  name: 'DELE',
  rfc: 'RFC 1939 §5',
  states,
  parse: oneNumber,
  async run({ maildrop }, number) {
    if (!maildrop.has(number)) return noSuchMessage
    await maildrop.mark(number)
    return { ok: true, text: `message ${number} goes when you say QUIT` }
  },
})

const rset = command({
  name: 'RSET',
  rfc: 'RFC 1939 §5',
  states,
  parse: noArguments,
  run({ maildrop }: TransactionContext) {
    maildrop.unmark()
    const { count, size } = maildrop.total
    return { ok: true, text: `${count} messages (${size} octets)` }
  },
})

const noop = command({
  name: 'NOOP',
  rfc: 'RFC 1939 §5',
  states,
  parse: noArguments,
  run: () => ({ ok: true, text: 'done' }),
})

export const transactionCommands: readonly Command[] = [stat, list, uidl, retr, top, dele, rset, noop]
