// The milter protocol's packets (version 6, as sendmail's libmilter speaks it): bytes to values and back. Knows no order of commands.

import { isIP } from 'node:net'
import { SyntaxFault } from '../base/index.ts'

/** What we say of ourselves; filters answer with 2 to this. */
export const milterVersion = 6
/** Every change that a filter may ask for (SMFIF_*): one that needs more than it is offered refuses to work at all. */
export const allActions = 0x1ff

/** SMFIP_*: what a filter does not want to hear of, does not answer, or wants otherwise. */
export const steps = {
  noConnect: 0x1,
  noHelo: 0x2,
  noMail: 0x4,
  noRcpt: 0x8,
  noBody: 0x10,
  noHeaders: 0x20,
  noEoh: 0x40,
  quietHeaders: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  /** It may say that it has seen enough of the body. */
  skip: 0x400,
  quietConnect: 0x1000,
  quietHelo: 0x2000,
  quietMail: 0x4000,
  quietRcpt: 0x8000,
  quietData: 0x10000,
  quietUnknown: 0x20000,
  quietEoh: 0x40000,
  quietBody: 0x80000,
  /** Values of header fields with the blank behind the colon. */
  leadingSpace: 0x100000,
} as const
export const allSteps = Object.values(steps).reduce((all, one) => all | one, 0)

/** When macros are told, by their number in a filter's list of wanted ones. */
export const macroStages = ['connect', 'helo', 'mail', 'rcpt', 'data', 'end', 'endOfHeader'] as const
export type MacroStage = (typeof macroStages)[number]

/** Bytes of a body packet (MILTER_CHUNK_SIZE). */
export const bodyChunk = 65_535
/** A filter's packets: a piece of a new body is the largest. */
export const maxPacket = 131_072

/** A command to the filter: its length, its letter, its data. */
export function formatPacket(letter: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(data.length + 1)
  head.write(letter, 4, 'latin1')
  return Buffer.concat([head, data])
}

/** Texts, a NUL behind each. */
export function toTexts(...texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text.replaceAll('\0', '')}\0`).join(''))
}

/** Name, family, port (which nobody knows any more) and address of the client. */
export function formatConnect(ip: string, ptr: string | undefined): Buffer {
  const family = isIP(ip)
  const name = toTexts(ptr ?? `[${ip}]`)
  if (family === 0) return Buffer.concat([name, Buffer.from('U')])
  return Buffer.concat([name, Buffer.from(family === 4 ? '4' : '6'), Buffer.alloc(2), toTexts(ip)])
}

/** A field with its folds as single LF. The blank behind the colon stays when the filter wants it. */
export function formatField(name: string, raw: Buffer, spaces: boolean): Buffer {
  let value = raw.toString('latin1').replaceAll('\r\n', '\n').replaceAll('\0', '')
  if (value.endsWith('\n')) value = value.slice(0, -1)
  if (!spaces && value.startsWith(' ')) value = value.slice(1)
  return Buffer.concat([toTexts(name), Buffer.from(value, 'latin1'), Buffer.alloc(1)])
}

export function formatOptions(): Buffer {
  const data = Buffer.alloc(12)
  data.writeUInt32BE(milterVersion, 0)
  data.writeUInt32BE(allActions, 4)
  data.writeUInt32BE(allSteps, 8)
  return formatPacket('O', data)
}

export interface Negotiated {
  readonly version: number
  /** Bits of `steps`. */
  readonly steps: number
  /** Macros that it wants instead of the usual ones. */
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>
}

/** The filter's answer to our options. SyntaxFault when it wants what was not offered. */
export function parseOptions(data: Buffer): Negotiated {
  if (data.length < 12) throw new SyntaxFault('its answer to the options is too short')
  const [version, actions, wanted] = [data.readUInt32BE(0), data.readUInt32BE(4), data.readUInt32BE(8)]
  if (version < 2 || version > milterVersion) throw new SyntaxFault(`it speaks version ${version} of the protocol`)
  if ((actions & ~allActions) !== 0 || (wanted & ~allSteps) !== 0)
    throw new SyntaxFault('it wants what it was not offered')
  const macros = new Map<MacroStage, readonly string[]>()
  for (let at = 12; at + 4 < data.length; ) {
    const stage = macroStages[data.readUInt32BE(at)]
    const [names = ''] = readTexts(data.subarray(at + 4))
    if (stage)
      macros.set(
        stage,
        names.split(' ').filter((name) => name !== ''),
      )
    at += 5 + Buffer.byteLength(names)
  }
  return { version, steps: wanted, macros }
}

/** Texts of a packet, each ended by NUL; what stands behind the last NUL is one too. */
function readTexts(data: Buffer): string[] {
  const texts = data.toString('utf8').split('\0')
  if (texts.at(-1) === '') texts.pop()
  return texts
}

/** What a filter says. */
export type MilterReply =
  | { readonly kind: 'continue' | 'accept' | 'reject' | 'tempfail' | 'discard' | 'skip' | 'progress' | 'shutdown' }
  /** An SMTP reply of its own. */
  | { readonly kind: 'reply'; readonly text: string }
  | { readonly kind: 'add-header'; readonly name: string; readonly value: string }
  | {
      readonly kind: 'insert-header' | 'change-header'
      readonly index: number
      readonly name: string
      readonly value: string
    }
  | { readonly kind: 'change-sender' | 'add-recipient' | 'remove-recipient'; readonly address: string }
  | { readonly kind: 'replace-body'; readonly size: number }
  | { readonly kind: 'quarantine'; readonly reason: string }

type Parse = (data: Buffer) => MilterReply

const word =
  (kind: 'continue' | 'accept' | 'reject' | 'tempfail' | 'discard' | 'skip' | 'progress' | 'shutdown'): Parse =>
  () => ({ kind })
const address =
  (kind: 'change-sender' | 'add-recipient' | 'remove-recipient'): Parse =>
  (data) => ({ kind, address: readTexts(data)[0] ?? '' })
const indexed =
  (kind: 'insert-header' | 'change-header'): Parse =>
  (data) => {
    if (data.length < 4) throw new SyntaxFault('a header field has no place')
    const [name = '', value = ''] = readTexts(data.subarray(4))
    return { kind, index: data.readUInt32BE(0), name, value }
  }

const replies: Readonly<Record<string, Parse>> = {
  c: word('continue'),
  a: word('accept'),
  r: word('reject'),
  t: word('tempfail'),
  d: word('discard'),
  s: word('skip'),
  p: word('progress'),
  f: word('shutdown'),
  '4': word('shutdown'),
  y: (data) => ({ kind: 'reply', text: readTexts(data)[0] ?? '' }),
  h: (data) => {
    const [name = '', value = ''] = readTexts(data)
    return { kind: 'add-header', name, value }
  },
  i: indexed('insert-header'),
  m: indexed('change-header'),
  b: (data) => ({ kind: 'replace-body', size: data.length }),
  e: address('change-sender'),
  '+': address('add-recipient'),
  // With parameters of RCPT behind the address.
  '2': address('add-recipient'),
  '-': address('remove-recipient'),
  q: (data) => ({ kind: 'quarantine', reason: readTexts(data)[0] ?? '' }),
}

/** A filter's packet without its length. SyntaxFault when it is none. */
export function parseReply(letter: string, data: Buffer): MilterReply {
  const parse = Object.hasOwn(replies, letter) ? replies[letter] : undefined
  if (!parse) throw new SyntaxFault(`it said ${JSON.stringify(letter)}, which means nothing`)
  return parse(data)
}
