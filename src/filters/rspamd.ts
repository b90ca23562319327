// Rspamd's HTTP interface: POST /checkv2 to its normal worker, learning with its controller. Its actions become ours.

import type { IncomingMessage, RequestOptions } from 'node:http'
import { Readable as Stream } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Fault } from '../base/index.ts'
import { type Daemon, unreachable } from './connection.ts'
import { toWords } from './headers.ts'
import { formatPlace, type Place } from './place.ts'
import { parseRspamdError, parseRspamdReply, type RejectAction } from './rspamd-reply.ts'
import type { Filter, FilterRequest, Lesson, Readable } from './types.ts'

export interface RspamdOptions {
  readonly place: Place
  /** The controller worker, for learning; absent: it does not learn from here. */
  readonly controller?: Place
  readonly password?: string
  /** What becomes of mail that Rspamd wants rejected. */
  readonly reject: RejectAction
  readonly hostname: string
}

/** A reply names symbols with their options, and addresses that it found. */
const maxReply = 1_048_576
/** Recipients that are named; who decides by them decides by fewer. */
const maxRecipients = 1_000

export function createRspamd(options: RspamdOptions): Filter {
  const daemon = { name: 'rspamd', place: options.place }
  const { controller } = options
  const check: Filter['check'] = async (request, signal) => {
    const response = await post(daemon, '/checkv2', toFields(request, options), request, signal)
    if (response.status !== 200) throw refused(daemon, response)
    const answer = parseRspamdReply(response.body, options.reject)
    if (answer) return answer
    throw new Fault('unavailable', `${daemon.name} at ${formatPlace(daemon.place)}: its answer has no action and score`)
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

const passwordOf = ({ password }: RspamdOptions): Fields =>
  password === undefined ? {} : { Password: toField(password) }

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
  const why = parseRspamdError(body) ?? toWords(words)
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
        // Rspamd sends a text behind a 204, where HTTP has none: what it says stands in the first line too.
        if (status === 204) resolve({ status, words, body: '' })
        else collect(daemon, incoming).then((body) => resolve({ status, words, body }), reject)
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
