// A milter (protocol 6), told the whole conversation when the message is there: client, sender, recipients, header, body. What it wants
// changed is collected; what it would throw away without a word is kept in quarantine. Knows no particular milter.

import { SyntaxFault } from '../base/index.ts'
import { parseFields } from '../mime/index.ts'
import { Connection, type Daemon } from './connection.ts'
import { MilterSaid, type Verdict } from './milter-said.ts'
import {
  bodyChunk,
  formatConnect,
  formatField,
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
import type { Filter, FilterAnswer, FilterRequest } from './types.ts'

export interface MilterOptions {
  /** For people, unique: `opendkim`. */
  readonly name: string
  readonly place: Place
  readonly hostname: string
}

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
function macrosOf({ ip, ptr, trace, account, from, tls }: FilterRequest, hostname: string): Macros {
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
    ...(tls && { '{tls_version}': tls.version, '{cipher}': tls.cipher }),
    // Which mechanism it was nobody knows any more; a filter such as opendkim asks only whether there was one.
    ...(account !== undefined && { '{auth_authen}': account, '{auth_type}': 'unknown' }),
  }
}

const usual: Readonly<Record<MacroStage, readonly string[]>> = {
  connect: ['j', 'v', '_', '{daemon_name}', '{client_addr}', '{client_name}', '{client_ptr}'],
  helo: ['{tls_version}', '{cipher}'],
  mail: ['i', '{auth_type}', '{auth_authen}', '{mail_addr}', '{mail_host}', '{mail_mailer}'],
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

class Session {
  readonly #connection: Connection
  readonly #macros: Macros
  readonly #said: MilterSaid
  #agreed: Negotiated = { version: 2, steps: 0, macros: new Map() }

  constructor(connection: Connection, name: string, macros: Macros) {
    this.#connection = connection
    this.#macros = macros
    this.#said = new MilterSaid(name)
  }

  async run(request: FilterRequest): Promise<FilterAnswer> {
    await this.#negotiate()
    const verdict =
      (await this.#tellEnvelope(request)) ?? (await this.#tellHeader(request.header)) ?? (await this.#tellBody(request))
    await this.#connection.write(formatPacket('Q'))
    this.#connection.end()
    return this.#said.toAnswer(verdict)
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
      (await this.#tell({
        letter: 'M',
        data: toTexts(`<${from}>`),
        macros: 'mail',
        unwanted: noMail,
        quiet: quietMail,
      })) ??
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
      this.#said.change({ kind: 'refuse-recipient', address, reason: verdict.reason })
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
        const verdict = this.#said.toVerdict(reply)
        if (verdict) return verdict
      }
    }
    await this.#tellMacros('end')
    await this.#connection.write(formatPacket('E'))
    for (;;) {
      const reply = await this.#reply()
      if (!this.#said.note(reply)) return this.#said.toVerdict(reply)
    }
  }

  async #tell(step: Step): Promise<Verdict | undefined> {
    const { steps: agreed, version } = this.#agreed
    if (version < (step.since ?? 0)) return undefined
    if (step.macros) await this.#tellMacros(step.macros, step.letter, step.more)
    if ((agreed & (step.unwanted ?? 0)) !== 0) return undefined
    await this.#connection.write(formatPacket(step.letter, step.data))
    if ((agreed & (step.quiet ?? 0)) !== 0) return undefined
    return this.#said.toVerdict(await this.#reply())
  }

  async #tellMacros(stage: MacroStage, letter = 'E', more: Macros = {}): Promise<void> {
    const known = { ...this.#macros, ...more }
    const names = this.#agreed.macros.get(stage) ?? usual[stage]
    const told = names.flatMap((name) => {
      const value = known[name] ?? known[`{${name}}`]
      return value === undefined ? [] : [name, value]
    })
    if (told.length > 0)
      await this.#connection.write(formatPacket('D', Buffer.concat([Buffer.from(letter), toTexts(...told)])))
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
