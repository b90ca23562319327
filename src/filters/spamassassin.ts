// SpamAssassin's spamd, spoken to as spamc does: score, threshold and symbols of a message come back; it learns with TELL.

import type { Clock } from '../base/index.ts'
import { Connection, type Daemon } from './connection.ts'
import { foldWords, toHeader, toWords } from './headers.ts'
import type { Place } from './place.ts'
import { formatTop } from './top.ts'
import type { Filter, FilterAnswer, FilterHeader, Readable } from './types.ts'

export interface SpamAssassinOptions {
  readonly place: Place
  /** Whose settings and knowledge spamd uses; absent: those of the user that it runs as. */
  readonly user?: string
  /** Score from which mail is junk; absent: what spamd says (required_score). */
  readonly junk?: number
  /** Score from which mail is refused; absent: never. */
  readonly reject?: number
  /** Our name, for the Received line by which spamd knows the client. */
  readonly hostname: string
  readonly clock: Clock
}

/** A line of a reply's header, and how many there are. */
const maxLine = 1_024
const maxLines = 32
/** The names of all rules that a message can meet are less. */
const maxBody = 65_536
/** Symbols that are kept. */
const maxSymbols = 100
const lf = 10

export function createSpamAssassin(options: SpamAssassinOptions): Filter {
  const daemon = { name: 'spamd', place: options.place }
  const { user, hostname, clock } = options
  return {
    name: 'spamassassin',
    async check(request, signal) {
      const top = formatTop(request, hostname, clock.now())
      const found = await exchange(daemon, { command: 'SYMBOLS', user, top, message: request }, signal)
      return toAnswer(found, options)
    },
    async learn(lesson, message, signal) {
      const lines = [`Message-class: ${lesson}`, 'Set: local']
      const { headers } = await exchange(daemon, { command: 'TELL', user, lines, message }, signal)
      return headers.has('didset') ? 'learned' : 'known'
    },
  }
}

interface Question {
  readonly command: 'SYMBOLS' | 'TELL'
  readonly user: string | undefined
  readonly lines?: readonly string[]
  /** Stands before the message. */
  readonly top?: Buffer
  readonly message: Readable
}

interface Reply {
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  readonly connection: Pick<Connection, 'fault'>
}

/** One command and its reply. A code other than 0 is a fault in spamd's own words. */
async function exchange(daemon: Daemon, question: Question, signal: AbortSignal): Promise<Reply> {
  const { command, user, lines = [], top = Buffer.alloc(0), message } = question
  const connection = await Connection.open(daemon, signal)
  try {
    const head = [
      `${command} SPAMC/1.5`,
      `Content-length: ${top.length + message.size}`,
      ...(user === undefined ? [] : [`User: ${user}`]),
      ...lines,
    ]
    await connection.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), top]))
    for await (const bytes of message.bytes()) {
      if (connection.answered) break
      await connection.write(bytes)
    }
    return await readReply(connection, command)
  } finally {
    connection.close()
  }
}

async function readReply(connection: Connection, command: Question['command']): Promise<Reply> {
  const status = await readLine(connection)
  const [protocol = '', code = '', ...words] = status.split(' ')
  if (!protocol.startsWith('SPAMD/')) throw connection.fault('it does not speak as spamd does')
  if (code !== '0') throw connection.fault(`it refused ${command}: ${toWords(`${code} ${words.join(' ')}`)}`)
  const headers = new Map<string, string>()
  for (let i = 0; ; i++) {
    if (i === maxLines) throw connection.fault('it said more than it should')
    const line = await readLine(connection)
    if (line === '') break
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  const length = Number(headers.get('content-length') ?? Number.NaN)
  if (length > maxBody) throw connection.fault('it said more than it should')
  const body = length >= 0 ? await connection.read(Math.floor(length)) : await connection.readAll(maxBody)
  return { headers, body: body.toString('latin1'), connection }
}

async function readLine(connection: Connection): Promise<string> {
  const line = (await connection.readTo(lf, maxLine)).toString('latin1')
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

interface Result {
  readonly score: number
  readonly threshold: number
  readonly symbols: readonly string[]
}

/** `Spam: True ; 7.1 / 5.0`, and the symbols as one line. */
function readResult({ headers, body, connection }: Reply): Result {
  const [, numbers = ''] = (headers.get('spam') ?? '').split(';')
  const [score, threshold] = numbers.split('/').map((text) => (text.trim() === '' ? Number.NaN : Number(text)))
  if (!Number.isFinite(score) || !Number.isFinite(threshold)) throw connection.fault('it gave no score')
  const symbols = body
    .split(',')
    .map((name) => toWords(name, 80))
    .filter((name) => name !== '')
  return { score: score!, threshold: threshold!, symbols: symbols.slice(0, maxSymbols) }
}

function toAnswer(reply: Reply, { junk, reject }: SpamAssassinOptions): FilterAnswer {
  const { score, threshold, symbols } = readResult(reply)
  const least = junk ?? threshold
  const isSpam = score >= least
  const refused = reject !== undefined && score >= reject
  const needed = refused ? reject : least
  const words = `SpamAssassin gave ${score} of ${needed}${symbols.length > 0 ? `: ${symbols.join(', ')}` : ''}`
  return {
    action: refused ? 'reject' : isSpam ? 'junk' : 'accept',
    score,
    threshold: needed,
    symbols,
    reasons: [toWords(words, 500)],
    headers: toHeaders({ score, threshold: least, symbols }, isSpam || refused),
  }
}

/** The fields that SpamAssassin would have written itself, by which mail programs and scripts sort. */
function toHeaders({ score, threshold, symbols }: Result, isSpam: boolean): FilterHeader[] {
  const tests = foldWords(symbols.length > 0 ? symbols : ['none'], ',')
  const status = `${isSpam ? 'Yes' : 'No'}, score=${score} required=${threshold}\ntests=${tests}`
  const stars = '*'.repeat(Math.min(Math.max(Math.floor(score), 0), 50))
  return [
    ...(isSpam ? [toHeader('X-Spam-Flag', 'YES')] : []),
    ...(stars === '' ? [] : [toHeader('X-Spam-Level', stars)]),
    toHeader('X-Spam-Status', status),
  ].filter((header) => header !== undefined)
}
