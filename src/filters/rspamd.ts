// Rspamd's HTTP interface: POST /checkv2 to its normal worker, learning with its controller. Its actions become ours.

import type { IncomingMessage, RequestOptions } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { Readable as Stream } from 'node:stream'
import { Fault } from '../base/index.ts'
import { type Daemon, unreachable } from './connection.ts'
import { foldWords, toHeader, toWords } from './headers.ts'
import { formatPlace, type Place } from './place.ts'
import type { Filter, FilterAction, FilterAnswer, FilterHeader, FilterRequest, Lesson, Readable } from './types.ts'

export interface RspamdOptions {
  readonly place: Place
  /** The controller worker, for learning; absent: it does not learn from here. */
  readonly controller?: Place
  readonly password?: string
  /** What becomes of mail that Rspamd wants rejected. */
  readonly reject: 'reject' | 'quarantine' | 'junk'
  readonly hostname: string
}

/** A reply names symbols with their options, and addresses that it found. */
const maxReply = 1_048_576
const maxSymbols = 100
const maxHeaders = 20
/** Recipients that are named; who decides by them decides by fewer. */
const maxRecipients = 1_000

export function createRspamd(options: RspamdOptions): Filter {
  const daemon = { name: 'rspamd', place: options.place }
  const { controller } = options
  const check: Filter['check'] = async (request, signal) => {
    const response = await post(daemon, '/checkv2', toFields(request, options), request, signal)
    if (response.status !== 200) throw refused(daemon, response)
    return toAnswer(readReply(daemon, response.body), options)
  }
  if (!controller) return { name: 'rspamd', check }
  const teacher = { name: "rspamd's controller", place: controller }
  return {
    name: 'rspamd',
    check,
    learn: (lesson, message, signal) => learn(teacher, lesson, message, passwordOf(options), signal),
  }
}

type Fields = Readonly<Record<string, string | string[]>>

const passwordOf = ({ password }: RspamdOptions): Fields => (password === undefined ? {} : { Password: toField(password) })

/** What it wants to know beside the message. */
function toFields(request: FilterRequest, options: RspamdOptions): Fields {
  const { ip, helo, ptr, from, to, account, trace } = request
  return {
    IP: toField(ip),
    Helo: toField(helo),
    ...(ptr !== undefined && { Hostname: toField(ptr) }),
    From: toField(from === '' ? '<>' : from),
    Rcpt: to.slice(0, maxRecipients).map(toField),
    ...(account !== undefined && { User: toField(account) }),
    'Queue-Id': toField(trace),
    'MTA-Name': toField(options.hostname),
    ...passwordOf(options),
  }
}

/** UTF-8 as bytes, without what would end the line. */
function toField(text: string): string {
  const line = [...text.slice(0, 1_000)].filter((char) => char >= ' ' && char !== '\x7f').join('')
  return Buffer.from(line).toString('latin1')
}

/**
 * 208, and 404 with its own words in older ones: learned before. What it will never learn, such as a message of too few words, is Fault
 * `invalid`.
 */
async function learn(
  daemon: Daemon,
  lesson: Lesson,
  message: Readable,
  fields: Fields,
  signal: AbortSignal,
): Promise<'learned' | 'known'> {
  const response = await post(daemon, `/learn${lesson}`, fields, message, signal)
  const { status, words } = response
  if (status === 200) return 'learned'
  if (status === 208 || (status === 404 && words.includes('already learned'))) return 'known'
  const fault = refused(daemon, response)
  if (status === 204 || status === 404) throw new Fault('invalid', fault.message)
  throw fault
}

function refused({ name, place }: Daemon, { status, words, body }: Response): Fault {
  const said = toTree(readJson(body))['error']
  const why = toWords(typeof said === 'string' ? said : words)
  return new Fault('unavailable', `${name} at ${formatPlace(place)}: it answered ${status}${why && ` ${why}`}`)
}

interface Response {
  readonly status: number
  /** Behind the status. */
  readonly words: string
  readonly body: string
}

/** One request on a connection of its own. */
async function post(
  daemon: Daemon,
  path: string,
  fields: Fields,
  message: Readable,
  signal: AbortSignal,
): Promise<Response> {
  signal.throwIfAborted()
  const http = await import('node:http')
  const place = 'path' in daemon.place ? { socketPath: daemon.place.path } : daemon.place
  const headers = { ...fields, 'Content-Type': 'message/rfc822', 'Content-Length': message.size }
  const options: RequestOptions = { ...place, method: 'POST', path, headers, signal, agent: false }
  try {
    return await new Promise((resolve, reject) => {
      const outgoing = http.request(options, (incoming) => {
        const { statusCode: status = 0, statusMessage: words = '' } = incoming
        collect(daemon, incoming).then((body) => resolve({ status, words, body }), reject)
      })
      outgoing.on('error', reject)
      pipeline(Stream.from(message.bytes(), { objectMode: false }), outgoing).catch(reject)
    })
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof Fault ? error : unreachable(daemon, error)
  }
}

async function collect({ name, place }: Daemon, incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > maxReply) throw new Fault('unavailable', `${name} at ${formatPlace(place)}: it said more than it should`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

type Tree = { readonly [key: string]: unknown }
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)
const toTree = (value: unknown): Tree => (isTree(value) ? value : {})

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Reply {
  readonly skipped: boolean
  readonly action: string
  readonly score: number
  readonly threshold: number | undefined
  /** Those that count first. */
  readonly symbols: readonly string[]
  readonly words: string | undefined
  readonly milter: Tree
}

function readReply({ name, place }: Daemon, body: string): Reply {
  const reply = readJson(body)
  const { action, score } = toTree(reply)
  if (typeof action !== 'string' || typeof score !== 'number')
    throw new Fault('unavailable', `${name} at ${formatPlace(place)}: its answer has no action and score`)
  const { is_skipped: skipped, required_score: required, thresholds, symbols, messages, milter } = reply as Tree
  const own = toTree(thresholds)[action]
  const threshold = typeof own === 'number' ? own : required
  const said = toTree(messages)['smtp_message']
  return {
    skipped: skipped === true,
    action,
    score,
    threshold: typeof threshold === 'number' ? threshold : undefined,
    symbols: Object.entries(toTree(symbols))
      .map(([symbol, value]) => ({ symbol: toWords(symbol, 80), score: Number(toTree(value)['score'] ?? 0) }))
      .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
      .slice(0, maxSymbols)
      .map(({ symbol }) => symbol),
    words: typeof said === 'string' && said !== '' ? toWords(said) : undefined,
    milter: toTree(milter),
  }
}

/**
 * `greylist` is left over when Rspamd has no memory of its own to greylist with; with one it says `soft reject` until the time has come.
 * So it keeps nobody waiting for ever.
 */
const actions: Readonly<Record<string, FilterAction>> = {
  'no action': 'accept',
  greylist: 'accept',
  'add header': 'junk',
  'rewrite subject': 'junk',
  'soft reject': 'defer',
  reject: 'reject',
}

function toAnswer(reply: Reply, options: RspamdOptions): FilterAnswer {
  const { action: said, score, threshold, symbols, words, milter } = reply
  const known = actions[said]
  // What it refuses at first sight it calls skipped too.
  if (reply.skipped && known === 'accept') return { action: 'accept', reasons: ['Rspamd did not look at it'] }
  const held = milter['reject'] === 'discard' || milter['reject'] === 'quarantine'
  // What it would throw away without a word is kept where somebody can look.
  const action = held ? 'quarantine' : known === 'reject' ? options.reject : (known ?? 'accept')
  const rounded = Math.round(score * 100) / 100
  const scale = `${rounded}${threshold === undefined ? '' : ` of ${threshold}`}`
  const list = symbols.length > 0 ? `: ${symbols.join(', ')}` : ''
  return {
    action,
    score: rounded,
    ...(threshold !== undefined && { threshold }),
    symbols,
    reasons: [toWords(`Rspamd says ${said} (${scale})${words ? ` "${words}"` : ''}${list}`, 500)],
    headers: toHeaders(reply, rounded, action),
  }
}

/** What it wants added, or, when it says nothing of it, its result. */
function toHeaders({ milter, symbols, threshold }: Reply, score: number, action: FilterAction): FilterHeader[] {
  const wanted = Object.entries(toTree(milter['add_headers'])).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => toHeader(name, String(isTree(one) ? one['value'] : one))),
  )
  const isSpam = action !== 'accept'
  const tests = foldWords(symbols.length > 0 ? symbols : ['none'], ',')
  const required = threshold === undefined ? '' : ` required=${threshold}`
  const own = [
    ...(isSpam ? [toHeader('X-Spam-Flag', 'YES')] : []),
    toHeader('X-Spam-Status', `${isSpam ? 'Yes' : 'No'}, score=${score}${required}\ntests=${tests}`),
  ]
  return (wanted.length > 0 ? wanted : own).filter((header) => header !== undefined).slice(0, maxHeaders)
}
