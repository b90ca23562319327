// Plays a session written as text against a door and compares every line. Knows no protocol.
// README.md in this folder tells the format.

import { readdirSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import tls from 'node:tls'
import zlib from 'node:zlib'
import { answerScram } from './scram.ts'

/** Where a door under test listens. */
export interface Door {
  readonly host: string
  readonly port: number
  /** TLS from the first byte. */
  readonly tls?: boolean
}

export interface World {
  /** The door that a transcript names in `@door`. */
  readonly door: (name: string) => Door
  readonly variables?: Readonly<Record<string, string>>
  /** For `D:` lines: what arrived behind the door and was not looked at yet, one line each. */
  readonly takeDelivered?: () => readonly string[] | Promise<readonly string[]>
  readonly close: () => Promise<void>
}

/** One test per `.txt` file of the folder, each in a world of its own; `@name value` lines of the file are given to `open`. */
export function testTranscripts(
  folder: string,
  open: (settings: Readonly<Record<string, string>>) => Promise<World>,
): void {
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()) {
    test(`${basename(folder)}/${file}`, async () => {
      const steps = parseTranscript(readFileSync(join(folder, file), 'utf8'))
      const settings = Object.fromEntries(steps.filter(({ who }) => who === '@').map(({ name, text }) => [name, text]))
      const world = await open(settings)
      try {
        await play(file, steps, world)
      } finally {
        await world.close()
      }
    })
  }
}

interface Step {
  readonly line: number
  /** `C` the client sends, `S` the server says, `S*` lines are skipped up to this one, `D` something was delivered, `@` a setting. */
  readonly who: 'C' | 'S' | 'S*' | 'D' | '@'
  /** The connection's number, or the setting's name. */
  readonly name: string
  readonly text: string
}

export function parseTranscript(text: string): readonly Step[] {
  const steps: Step[] = []
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '')
    if (line.trim() === '' || line.startsWith('#')) continue
    const setting = /^@(\S+) ?(.*)$/.exec(line)
    const said = /^([CSD])(\d?)(\*?): ?(.*)$/.exec(line)
    if (setting) steps.push({ line: i + 1, who: '@', name: setting[1]!, text: setting[2]! })
    else if (said)
      steps.push({ line: i + 1, who: `${said[1]}${said[3]}` as Step['who'], name: said[2] || '1', text: said[4]! })
    else throw new Error(`line ${i + 1} is no line of a transcript: ${line}`)
  }
  return steps
}

async function play(file: string, steps: readonly Step[], world: World): Promise<void> {
  const variables = new Map(Object.entries(world.variables ?? {}))
  const connections = new Map<string, Connection>()
  const door = steps.find(({ who, name }) => who === '@' && name === 'door')?.text ?? 'default'
  const said: string[] = []
  const wrong = (step: Step, got: string) =>
    new Error(`${file}:${step.line}: expected\n  ${step.text}\ngot\n  ${got}\nafter\n  ${said.slice(-12).join('\n  ')}`)
  try {
    for (const step of steps) {
      if (step.who === '@') continue
      if (step.who === 'D') {
        const lines = (await world.takeDelivered?.()) ?? []
        const got = lines.length === 0 ? '<nothing>' : lines.join(' | ')
        if (!match(step.text, got, variables)) throw wrong(step, got)
        continue
      }
      let connection = connections.get(step.name)
      if (!connection) connections.set(step.name, (connection = await Connection.open(world.door(door))))
      if (step.who === 'C') {
        said.push(`C${step.name}: ${step.text}`)
        await connection.say(step.text, variables)
        continue
      }
      for (;;) {
        const got = await connection.hear()
        said.push(`S${step.name}: ${got}`)
        if (match(step.text, got, variables)) break
        if (step.who === 'S' || got === '<closed>' || got === '<silence>') throw wrong(step, got)
      }
    }
  } finally {
    for (const connection of connections.values()) connection.close()
  }
}

/** How long a server may take for one line before the test fails. */
const patienceMs = 10_000

class Connection {
  #socket: net.Socket
  #text = ''
  #closed = false
  #wake: () => void = () => {}
  #write = (bytes: Buffer) => new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()))

  constructor(socket: net.Socket) {
    this.#socket = socket
    this.#attach(socket)
  }

  static async open({ host, port, tls: implicit }: Door): Promise<Connection> {
    const socket = net.connect(port, host)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const connection = new Connection(socket)
    if (implicit) await connection.#startTls()
    return connection
  }

  async say(text: string, variables: ReadonlyMap<string, string>): Promise<void> {
    if (text === '<starttls>') return this.#startTls()
    if (text === '<deflate>') return this.#startDeflate()
    if (text === '<close>') return this.close()
    if (text === '<end>') {
      this.#socket.end()
      return
    }
    const whole = text.endsWith('\\c') ? text.slice(0, -2) : `${text}\\r\\n`
    const bytes = Buffer.concat(toPieces(whole).map((piece) => toBytes(piece, variables, this.#socket)))
    await this.#write(bytes)
  }

  /** The next line; `<closed>` when the server hung up, `<silence>` when nothing came. */
  async hear(): Promise<string> {
    const until = Date.now() + patienceMs
    for (;;) {
      const at = this.#text.indexOf('\r\n')
      if (at >= 0) {
        const line = this.#text.slice(0, at)
        this.#text = this.#text.slice(at + 2)
        return line
      }
      if (this.#closed) return this.#text === '' ? '<closed>' : this.#text
      if (Date.now() >= until) return '<silence>'
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, until - Date.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  async #startTls(): Promise<void> {
    this.#socket.removeAllListeners('data').removeAllListeners('close')
    const socket = tls.connect({ socket: this.#socket, rejectUnauthorized: false })
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    this.#socket = socket
    this.#attach(socket)
  }

  /** From here on both sides speak raw deflate (RFC 4978). */
  #startDeflate(): void {
    const socket = this.#socket
    const deflate = zlib.createDeflateRaw()
    const inflate = zlib.createInflateRaw()
    deflate.on('data', (chunk: Buffer) => socket.write(chunk))
    socket.removeAllListeners('data').on('data', (chunk: Buffer) => inflate.write(chunk))
    // What is still to be inflated was said before the end.
    socket.removeAllListeners('close').on('close', () => inflate.end())
    inflate.on('data', (chunk: Buffer) => this.#take(chunk))
    for (const event of ['end', 'error']) inflate.on(event, () => this.#close())
    this.#write = (bytes) =>
      new Promise((resolve) => {
        deflate.write(bytes)
        deflate.flush(zlib.constants.Z_SYNC_FLUSH, resolve)
      })
  }

  #take(chunk: Buffer): void {
    this.#text += chunk.toString('utf8')
    this.#wake()
  }

  #close(): void {
    this.#closed = true
    this.#wake()
  }

  #attach(socket: net.Socket): void {
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => this.#close())
    socket.on('error', () => {})
  }
}

/** A piece of a transcript's line: literal text, a variable, or a gap. */
type Piece =
  | { readonly text: string }
  | { readonly bytes: Buffer }
  | { readonly scram: string }
  | { readonly variable: string }
  | { readonly gap: true }

/** `\r \n \t \0 \\ \$ \xHH`, `\{5000*ab}` (ab five thousand times), `\b{text}` (its base64), `\scram{…}`, `$name`, `…`. */
function toPieces(line: string): Piece[] {
  const pieces: Piece[] = []
  const grammar =
    /\\\{(\d+)\*([^}]*)\}|\\b\{([^}]*)\}|\\scram\{([^}]*)\}|\\x([0-9A-Fa-f]{2})|\\([rnt0\\$])|\$([a-z][A-Za-z0-9]*)|(…)/gu
  let from = 0
  for (const found of line.matchAll(grammar)) {
    if (found.index > from) pieces.push({ text: line.slice(from, found.index) })
    from = found.index + found[0].length
    const [, times, what, base64, scram, hex, short, variable] = found
    if (times !== undefined) pieces.push(...repeat(toPieces(what!), Number(times)))
    else if (base64 !== undefined) pieces.push({ text: Buffer.from(base64.replaceAll('\\0', '\0')).toString('base64') })
    else if (scram !== undefined) pieces.push({ scram })
    else if (hex !== undefined) pieces.push({ bytes: Buffer.from(hex, 'hex') })
    else if (short !== undefined)
      pieces.push({ text: { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\', $: '$' }[short]! })
    else if (variable !== undefined) pieces.push({ variable })
    else pieces.push({ gap: true })
  }
  if (from < line.length) pieces.push({ text: line.slice(from) })
  return pieces
}

/** Much text is one piece, not one for each time. */
function repeat(pieces: readonly Piece[], times: number): readonly Piece[] {
  const [only] = pieces
  if (pieces.length === 1 && only && 'text' in only) return [{ text: only.text.repeat(times) }]
  return Array.from({ length: times }, () => pieces).flat()
}

function toBytes(piece: Piece, variables: ReadonlyMap<string, string>, socket?: net.Socket): Buffer {
  if ('bytes' in piece) return piece.bytes
  if ('scram' in piece) {
    const words = toPieces(piece.scram).map((part) => toBytes(part, variables).toString())
    return Buffer.from(answerScram(words.join(''), socket!))
  }
  if ('gap' in piece) return Buffer.from('…')
  if ('text' in piece) return Buffer.from(piece.text)
  const value = variables.get(piece.variable)
  if (value === undefined) throw new Error(`$${piece.variable} is not known yet`)
  return Buffer.from(value)
}

/** Whether `got` is what the pattern says; names that were unknown take what stands there. */
function match(pattern: string, got: string, variables: Map<string, string>): boolean {
  const captured: string[] = []
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  let source = ''
  for (const piece of toPieces(pattern)) {
    if ('gap' in piece) source += '.*'
    else if ('variable' in piece && !variables.has(piece.variable)) {
      captured.push(piece.variable)
      source += '([^ )\\]]+)'
    } else source += literal(toBytes(piece, variables).toString('utf8'))
  }
  const found = new RegExp(`^${source}$`, 's').exec(got)
  if (!found) return false
  for (const [i, name] of captured.entries()) variables.set(name, found[i + 1]!)
  return true
}
