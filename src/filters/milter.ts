// A milter (protocol 6), told the whole conversation when the message is there: client, sender, recipients, header, body. What it wants
// changed is collected; what it would throw away without a word is kept in quarantine. Knows no particular milter.

import { isIP } from 'node:net'
import { SyntaxFault } from '../base/index.ts'
import { parseFields } from '../mime/index.ts'
import { Connection, type Daemon } from './connection.ts'
import { toHeader, toWords } from './headers.ts'
import {
  bodyChunk,
  formatOptions,
  formatPacket,
  type MacroStage,
  type MilterReply,
  maxPacket,
  type Negotiated,
  parseOptions,
  parseReply,
  steps,
  toTexts,
} from './milter-wire.ts'
import type { Place } from './place.ts'
import type { Filter, FilterAction, FilterAnswer, FilterHeader, FilterRequest, Modification } from './types.ts'

export interface MilterOptions {
  /** For people, unique: `opendkim`. */
  readonly name: string
  readonly place: Place
  readonly hostname: string
}

/** Fields and changes that one filter may ask for. */
const maxChanges = 200
/** Recipients that it is told of; more make no message that came by SMTP. */
const maxRecipients = 10_000

export function createMilter({ name, place, hostname }: MilterOptions): Filter {
  const daemon: Daemon = { name: `milter ${name}`, place }
  return {
    name: `milter:${name}`,
    async check(request, signal) {
      const connection = await Connection.open(daemon, signal)
      try {
        const session = new Session(connection, name, macrosOf(request, hostname))
        return await session.run(request)
      } catch (error) {
        throw error instanceof SyntaxFault ? connection.fault(error.message) : error
      } finally {
        connection.close()
      }
    },
  }
}

type Macros = Readonly<Record<string, string>>

/** What we know under sendmail's names. */
function macrosOf({ ip, ptr, trace, account, from }: FilterRequest, hostname: string): Macros {
  return {
    j: hostname,
    v: 'Posthorn',
    '{daemon_name}': 'posthorn',
    _: `${ptr ?? 'unknown'} [${ip}]`,
    '{client_addr}': ip,
    '{client_name}': ptr ?? 'unknown',
    '{client_ptr}': ptr ?? 'unknown',
    i: trace,
    '{mail_addr}': from,
    '{mail_host}': from.slice(from.lastIndexOf('@') + 1),
    '{mail_mailer}': 'esmtp',
    '{rcpt_mailer}': 'esmtp',
    ...(account !== undefined && { '{auth_authen}': account }),
  }
}

const usual: Readonly<Record<MacroStage, readonly string[]>> = {
  connect: ['j', 'v', '_', '{daemon_name}', '{client_addr}', '{client_name}', '{client_ptr}'],
  helo: [],
  mail: ['i', '{auth_authen}', '{mail_addr}', '{mail_host}', '{mail_mailer}'],
  rcpt: ['{rcpt_addr}', '{rcpt_host}', '{rcpt_mailer}'],
  data: ['i'],
  endOfHeader: ['i'],
  end: ['i'],
}

/** One thing that is told. */
interface Step {
  readonly letter: string
  readonly data?: Uint8Array
  readonly macros?: MacroStage
  /** Macros of this step alone. */
  readonly more?: Macros
  /** The bits by which a filter says that it does not want it, and does not answer it. */
  readonly unwanted?: number
  readonly quiet?: number
  /** The version of the protocol in which it came. */
  readonly since?: number
}

/** What ends the conversation before the message's end, or the recipient's place in it. */
type Verdict = { readonly action: Exclude<FilterAction, 'tag' | 'junk'>; readonly reason: string }

class Session {
  readonly #connection: Connection
  readonly #name: string
  readonly #macros: Macros
  #agreed: Negotiated = { version: 2, steps: 0, macros: new Map() }
  readonly #headers: FilterHeader[] = []
  readonly #modifications: Modification[] = []
  #newBody = 0
  #quarantine: string | undefined

  constructor(connection: Connection, name: string, macros: Macros) {
    this.#connection = connection
    this.#name = name
    this.#macros = macros
  }

  async run(request: FilterRequest): Promise<FilterAnswer> {
    await this.#negotiate()
    const verdict =
      (await this.#tellEnvelope(request)) ?? (await this.#tellHeader(request.header)) ?? (await this.#tellBody(request))
    await this.#connection.write(formatPacket('Q'))
    this.#connection.end()
    return this.#toAnswer(verdict)
  }

  async #negotiate(): Promise<void> {
    await this.#connection.write(formatOptions())
    const { letter, data } = await this.#packet()
    if (letter !== 'O') throw new SyntaxFault('it does not speak the milter protocol')
    this.#agreed = parseOptions(data)
  }

  async #tellEnvelope({ ip, ptr, helo, from, to }: FilterRequest): Promise<Verdict | undefined> {
    const { noConnect, noHelo, noMail, noData, quietConnect, quietHelo, quietMail, quietData } = steps
    const connect = formatConnect(ip, ptr)
    return (
      (await this.#tell({ letter: 'C', data: connect, macros: 'connect', unwanted: noConnect, quiet: quietConnect })) ??
      (await this.#tell({ letter: 'H', data: toTexts(helo), macros: 'helo', unwanted: noHelo, quiet: quietHelo })) ??
      (await this.#tell({ letter: 'M', data: toTexts(`<${from}>`), macros: 'mail', unwanted: noMail, quiet: quietMail })) ??
      (await this.#tellRecipients(to)) ??
      (await this.#tell({ letter: 'T', macros: 'data', unwanted: noData, quiet: quietData, since: 4 }))
    )
  }

  /** Refusing one is no verdict on the message as long as another is left. */
  async #tellRecipients(to: readonly string[]): Promise<Verdict | undefined> {
    const refused: Verdict[] = []
    for (const address of to.slice(0, maxRecipients)) {
      const more = { '{rcpt_addr}': address, '{rcpt_host}': address.slice(address.lastIndexOf('@') + 1) }
      const said = { letter: 'R', data: toTexts(`<${address}>`), macros: 'rcpt', more } as const
      const verdict = await this.#tell({ ...said, unwanted: steps.noRcpt, quiet: steps.quietRcpt })
      if (!verdict) continue
      if (verdict.action !== 'reject' && verdict.action !== 'defer') return verdict
      refused.push(verdict)
      this.#change({ kind: 'refuse-recipient', address, reason: verdict.reason })
    }
    if (refused.length === 0 || refused.length < to.length) return undefined
    return refused.find(({ action }) => action === 'defer') ?? refused[0]
  }

  async #tellHeader(header: Uint8Array): Promise<Verdict | undefined> {
    const bytes = Buffer.from(header.buffer, header.byteOffset, header.length)
    const spaces = (this.#agreed.steps & steps.leadingSpace) !== 0
    for (const { name, start, end } of parseFields(bytes)) {
      const data = formatField(name, bytes.subarray(bytes.indexOf(58, start) + 1, end), spaces)
      const verdict = await this.#tell({
        letter: 'L',
        data,
        unwanted: steps.noHeaders,
        quiet: steps.quietHeaders,
      })
      if (verdict) return verdict
    }
    return this.#tell({ letter: 'N', macros: 'endOfHeader', unwanted: steps.noEoh, quiet: steps.quietEoh })
  }

  /** The body and its end, after which a filter says what it wants changed. */
  async #tellBody(request: FilterRequest): Promise<Verdict | undefined> {
    if ((this.#agreed.steps & steps.noBody) === 0) {
      for await (const data of bodyOf(request)) {
        await this.#connection.write(formatPacket('B', data))
        if ((this.#agreed.steps & steps.quietBody) !== 0) continue
        const reply = await this.#reply()
        if (reply.kind === 'skip') break
        const verdict = this.#toVerdict(reply)
        if (verdict) return verdict
      }
    }
    await this.#tellMacros('end')
    await this.#connection.write(formatPacket('E'))
    for (;;) {
      const reply = await this.#reply()
      if (!this.#note(reply)) return this.#toVerdict(reply)
    }
  }

  async #tell(step: Step): Promise<Verdict | undefined> {
    const { steps: agreed, version } = this.#agreed
    if (version < (step.since ?? 0)) return undefined
    if (step.macros) await this.#tellMacros(step.macros, step.letter, step.more)
    if ((agreed & (step.unwanted ?? 0)) !== 0) return undefined
    await this.#connection.write(formatPacket(step.letter, step.data))
    if ((agreed & (step.quiet ?? 0)) !== 0) return undefined
    return this.#toVerdict(await this.#reply())
  }

  async #tellMacros(stage: MacroStage, letter = 'E', more: Macros = {}): Promise<void> {
    const known = { ...this.#macros, ...more }
    const names = this.#agreed.macros.get(stage) ?? usual[stage]
    const told = names.flatMap((name) => {
      const value = known[name] ?? known[`{${name}}`]
      return value === undefined ? [] : [name, value]
    })
    if (told.length > 0) await this.#connection.write(formatPacket('D', Buffer.concat([Buffer.from(letter), toTexts(...told)])))
  }

  /** The next thing that it says, but that it is still at work. */
  async #reply(): Promise<MilterReply> {
    for (;;) {
      const { letter, data } = await this.#packet()
      const reply = parseReply(letter, data)
      if (reply.kind !== 'progress') return reply
    }
  }

  async #packet(): Promise<{ readonly letter: string; readonly data: Buffer }> {
    const length = (await this.#connection.read(4)).readUInt32BE(0)
    if (length < 1 || length > maxPacket) throw new SyntaxFault('it does not speak the milter protocol')
    const bytes = await this.#connection.read(length)
    return { letter: bytes.toString('latin1', 0, 1), data: bytes.subarray(1) }
  }

  /** Whether the reply was a change; it is kept. */
  #note(reply: MilterReply): boolean {
    switch (reply.kind) {
      case 'add-header':
        this.#addHeader(reply.name, reply.value, false)
        return true
      case 'insert-header':
        this.#addHeader(reply.name, reply.value, true)
        return true
      case 'change-header': {
        const { kind, name, index, value } = reply
        this.#change({ kind, name: toWords(name, 76), index, ...(value !== '' && { value: toWords(value, 1_000) }) })
        return true
      }
      case 'change-sender':
      case 'add-recipient':
      case 'remove-recipient':
        this.#change({ kind: reply.kind, address: toAddress(reply.address) })
        return true
      case 'replace-body':
        this.#newBody += reply.size
        return true
      case 'quarantine':
        this.#quarantine = toWords(reply.reason)
        return true
      default:
        return false
    }
  }

  /** At the top, whatever place it names: a later one goes above an earlier, what is added stands below. */
  #addHeader(name: string, value: string, top: boolean): void {
    const header = toHeader(name, value)
    if (!header) throw new SyntaxFault('it adds a header field without a name')
    if (this.#headers.length === maxChanges) throw new SyntaxFault('it adds more header fields than it should')
    if (top) this.#headers.unshift(header)
    else this.#headers.push(header)
  }

  #change(modification: Modification): void {
    if (this.#modifications.length === maxChanges) throw new SyntaxFault('it wants more changed than it should')
    this.#modifications.push(modification)
  }

  /** Undefined: go on. */
  #toVerdict(reply: MilterReply): Verdict | undefined {
    const by = `milter ${this.#name}`
    switch (reply.kind) {
      case 'continue':
        return undefined
      case 'accept':
        return { action: 'accept', reason: '' }
      case 'reject':
        return { action: 'reject', reason: `${by} rejects it` }
      case 'tempfail':
        return { action: 'defer', reason: `${by} wants it later` }
      case 'shutdown':
        return { action: 'defer', reason: `${by} takes nothing now` }
      case 'discard':
        return { action: 'quarantine', reason: `${by} would discard it` }
      case 'reply': {
        const text = toWords(reply.text.replaceAll('%%', '%'))
        if (text[0] !== '4' && text[0] !== '5') throw new SyntaxFault('it gives a reply that refuses nothing')
        return { action: text[0] === '5' ? 'reject' : 'defer', reason: `${by}: ${text}` }
      }
      default:
        throw new SyntaxFault(`it says ${reply.kind} where that has no place`)
    }
  }

  #toAnswer(verdict: Verdict | undefined): FilterAnswer {
    const held = this.#quarantine
    const headers = { headers: this.#headers }
    const modifications: readonly Modification[] = [
      ...this.#modifications,
      ...(this.#newBody > 0 ? [{ kind: 'replace-body' as const, size: this.#newBody }] : []),
    ]
    const changes = { ...(modifications.length > 0 && { modifications }) }
    const undone = modifications.map((one) => `milter ${this.#name} ${describeModification(one)}`)
    if (verdict && verdict.action !== 'accept')
      return { action: verdict.action, reasons: [verdict.reason, ...undone], ...headers, ...changes }
    if (held === undefined) return { action: 'accept', reasons: undone, ...headers, ...changes }
    const words = `milter ${this.#name} wants it in quarantine${held === '' ? '' : `: ${held}`}`
    return { action: 'quarantine', reasons: [words, ...undone], ...headers, ...changes }
  }
}

/** `Subject changed`, for people. */
export function describeModification(modification: Modification): string {
  switch (modification.kind) {
    case 'change-header':
      return `wants ${modification.name} ${modification.value === undefined ? 'removed' : 'changed'}`
    case 'change-sender':
      return `wants the sender to be <${modification.address}>`
    case 'add-recipient':
      return `wants <${modification.address}> to get it too`
    case 'remove-recipient':
      return `wants <${modification.address}> not to get it`
    case 'refuse-recipient':
      return `refuses it for <${modification.address}>: ${modification.reason}`
    case 'replace-body':
      return `wants the body replaced by ${modification.size} bytes`
  }
}

/** `<ann@a.test>` and `ann@a.test` are the same. */
function toAddress(text: string): string {
  const words = toWords(text, 320)
  return words.startsWith('<') && words.endsWith('>') ? words.slice(1, -1) : words
}

/** Name, family, port (which nobody knows any more) and address of the client. */
function formatConnect(ip: string, ptr: string | undefined): Buffer {
  const family = isIP(ip)
  const name = toTexts(ptr ?? `[${ip}]`)
  if (family === 0) return Buffer.concat([name, Buffer.from('U')])
  return Buffer.concat([name, Buffer.from(family === 4 ? '4' : '6'), Buffer.alloc(2), toTexts(ip)])
}

/** A field with its folds as single LF. The blank behind the colon stays when the filter wants it. */
function formatField(name: string, raw: Buffer, spaces: boolean): Buffer {
  let value = raw.toString('latin1').replaceAll('\r\n', '\n').replaceAll('\0', '')
  if (value.endsWith('\n')) value = value.slice(0, -1)
  if (!spaces && value.startsWith(' ')) value = value.slice(1)
  return Buffer.concat([toTexts(name), Buffer.from(value, 'latin1'), Buffer.alloc(1)])
}

/** What follows the header, in pieces of the size that a packet holds. */
async function* bodyOf(request: FilterRequest): AsyncIterable<Buffer> {
  const { header } = request
  let skipped = 0
  let gathered: Buffer = Buffer.alloc(0)
  for await (const chunk of request.bytes()) {
    const from = Math.min(chunk.length, header.length - skipped)
    skipped += from
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset + from, chunk.length - from)
    while (gathered.length + rest.length >= bodyChunk) {
      const piece = rest.subarray(0, bodyChunk - gathered.length)
      yield gathered.length === 0 ? piece : Buffer.concat([gathered, piece])
      gathered = Buffer.alloc(0)
      rest = rest.subarray(piece.length)
    }
    gathered = gathered.length === 0 ? rest : Buffer.concat([gathered, rest])
  }
  if (gathered.length > 0) yield gathered
}
