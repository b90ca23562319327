// The reports in a message: which parts may hold one, unpacked and read. Loaded with the first that comes.

import {
  createScanner,
  decodeBody,
  decodeText,
  decodeWords,
  fileName,
  findParam,
  firstField,
  type Part,
} from '../mime/index.ts'
import { parseAggregate } from './aggregate-parse.ts'
import { reportLimits as limits } from './limits.ts'
import { parseTlsReport } from './tls-format.ts'
import { type AggregateReport, MalformedReport, type TlsReport } from './types.ts'
import { unpack } from './unpack.ts'

export type FoundReport =
  | { readonly kind: 'dmarc'; readonly report: AggregateReport }
  | { readonly kind: 'tls'; readonly report: TlsReport }
  | { readonly kind: 'malformed'; readonly file: string; readonly why: string }

/** Every report that is attached, and why what looks like one cannot be read. Never throws for what stands in the message. */
export async function readReports(message: Buffer): Promise<FoundReport[]> {
  const bytes = message.subarray(0, limits.message)
  const scanner = createScanner(limits.scan)
  scanner.write(bytes)
  const { root, header } = scanner.end()
  const subject = decodeWords(firstField(header, 'subject') ?? '')
  const found: FoundReport[] = []
  for (const part of leaves(root)
    .filter((one) => mayHold(one, subject))
    .slice(0, limits.attachments)) {
    const file = fileName(part).slice(0, limits.value)
    try {
      const packed = decodeBody(part.encoding, bytes.subarray(part.body, Math.min(part.end, bytes.length)))
      for (const document of await unpack(packed)) found.push(await readDocument(document, part))
    } catch (error) {
      if (!(error instanceof MalformedReport)) throw error
      found.push({ kind: 'malformed', file, why: error.message })
    }
  }
  return found
}

const leaves = (part: Part): readonly Part[] =>
  part.parts && part.parts.length > 0 ? part.parts.flatMap(leaves) : [part]

const types: ReadonlySet<string> = new Set([
  'application/gzip',
  'application/x-gzip',
  'application/zip',
  'application/x-zip-compressed',
  'application/x-zip',
  'application/octet-stream',
  'application/xml',
  'text/xml',
  'application/tlsrpt+gzip',
  'application/tlsrpt+json',
  'application/json',
])
const endings = ['.xml', '.gz', '.gzip', '.zip', '.json']

/** A type that reports have, or a name; senders agree in neither. Of a message that is nothing but the report the subject says so. */
function mayHold(part: Part, subject: string): boolean {
  if (!types.has(`${part.type}/${part.subtype}`)) return false
  const name = fileName(part).toLowerCase()
  return (
    part.subtype.startsWith('tlsrpt') || endings.some((end) => name.endsWith(end)) || subject.includes('Report Domain:')
  )
}

async function readDocument(document: Buffer, part: Part): Promise<FoundReport> {
  const first = firstSign(document)
  if (first === '{' && document.length > limits.json) throw new MalformedReport('it is too large')
  if (first === '{') return { kind: 'tls', report: parseTlsReport(decodeText(document, 'utf-8')) }
  if (first !== '<') throw new MalformedReport('it is neither XML nor JSON')
  const charset = declaredCharset(document) ?? findParam(part.params, 'charset') ?? 'utf-8'
  return { kind: 'dmarc', report: await parseAggregate(decodeText(document, charset)) }
}

/** The first sign that is neither blank nor a mark of byte order. */
function firstSign(document: Buffer): string {
  for (const byte of document.subarray(0, 1_000))
    if (byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf) return String.fromCharCode(byte)
  return ''
}

/** `encoding=` of the declaration; only charsets in which the declaration itself is ASCII are looked for. */
function declaredCharset(document: Buffer): string | undefined {
  const head = document.toString('latin1', 0, 200)
  const end = head.indexOf('?>')
  const at = end < 0 ? -1 : head.indexOf('encoding=')
  if (at < 0 || at > end) return undefined
  const quote = head[at + 9]
  const to = quote === '"' || quote === "'" ? head.indexOf(quote, at + 10) : -1
  return to < 0 ? undefined : head.slice(at + 10, to).toLowerCase()
}
