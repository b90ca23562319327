// A message as tokens: its header, what is known of its sender, the words of its texts, its links, markup and attachments. Reads a
// bounded beginning of the bytes; what stands beyond is not seen. Knows no model.

import { createScanner, decodeBody, decodeText, fileName, findParam, htmlToText, type Part } from '../../mime/index.ts'
import { type Circumstances, readHeader } from './header-tokens.ts'
import { Links } from './links.ts'
import { type Pictures, readMarkup } from './markup.ts'
import { TokenSet } from './token-set.ts'
import { readWords } from './words.ts'

/** Bytes of a message that are looked at. */
export const sampleBytes = 131_072
/** Bytes of one part that are decoded, and characters that are read of all. */
const partBytes = 65_536
const textLength = 24_576
const mostParts = 40
const depth = 20

/** The beginning of a message (at most `sampleBytes` are looked at), and what is known beside. */
export interface Sample extends Circumstances {
  readonly bytes: Uint8Array
  /** Header and body, also what is not here. */
  readonly size: number
}

/** `named`: the words of the tokens are kept too. */
export function tokenize(sample: Sample, named = false): TokenSet {
  const bytes = Buffer.from(sample.bytes.buffer, sample.bytes.byteOffset, Math.min(sample.bytes.length, sampleBytes))
  const scanner = createScanner({ depth, parts: mostParts * 4, headerBytes: 65_536, headerBytesTotal: sampleBytes })
  scanner.write(bytes)
  const { header, root } = scanner.end()
  const tokens = new TokenSet(named)
  const from = readHeader(header, sample, tokens)
  new PartReader(bytes, from, tokens).read(root)
  if (sample.size > 1_048_576) tokens.fact('size:large')
  addTogether(tokens)
  return tokens
}

/** Facts of the sender that mean something else beside some of the message: a stranger's short note with an attachment, a firm at a free provider. */
const senders = [
  'from:free mail',
  'from:name elsewhere',
  'from:name in domain',
  'links:none of the sender',
  'spf:pass',
  'header:list-unsubscribe',
]
const contents = [
  'links:none',
  'telephone',
  'attachment:application',
  'text:plain',
  'text:tiny',
  'text:short',
  'reply-to:differs',
  'subject:reply to nothing',
  'money:2',
  'money:3',
  'money:4',
  'money:5',
  'to:nobody',
  'text:html',
  'pictures:hardly text',
  'links:1',
]

function addTogether(tokens: TokenSet): void {
  const there = contents.filter((fact) => tokens.has(fact))
  for (const sender of senders)
    if (tokens.has(sender)) for (const content of there) tokens.fact(`${sender} & ${content}`)
}

class PartReader {
  readonly #bytes: Buffer
  readonly #from: string
  readonly #tokens: TokenSet
  readonly #links: Links
  readonly #pictures: Pictures = { count: 0 }
  #parts = 0
  #left = textLength
  #words = 0
  #plain = ''

  constructor(bytes: Buffer, from: string, tokens: TokenSet) {
    this.#bytes = bytes
    this.#from = from
    this.#tokens = tokens
    this.#links = new Links(tokens)
  }

  read(root: Part): void {
    const texts: Part[] = []
    this.#gather(root, texts)
    const html = texts.filter(({ subtype }) => subtype === 'html')
    const plain = texts.filter(({ subtype }) => subtype !== 'html')
    // What is shown comes first: the other form of the same may say something else.
    for (const part of [...html, ...plain]) this.#text(part)
    this.#links.end(this.#from)
    this.#shape(html.length > 0, plain.length > 0)
  }

  #gather(part: Part, texts: Part[]): void {
    if (this.#parts++ >= mostParts) return
    const within = part.message ? [part.message.root] : part.parts
    if (within && within.length > 0) {
      if (part.message) this.#tokens.fact('attachment:message')
      for (const child of within) this.#gather(child, texts)
      return
    }
    const name = fileName(part)
    if (part.type === 'text' && part.disposition?.type !== 'attachment' && (name === '' || part.start === 0)) {
      if (part.end > part.body) texts.push(part)
    } else if (part.type !== 'multipart') this.#attachment(part, name.toLowerCase())
    else this.#tokens.fact('parts:none')
  }

  #attachment(part: Part, name: string): void {
    const tokens = this.#tokens
    const pieces = name.split('.')
    const end = pieces.length > 1 ? pieces.at(-1)!.trim().slice(0, 8) : ''
    tokens.fact(`attachment:${part.type}`)
    if (end !== '') tokens.fact(`attachment:.${end}`)
    if (programs.has(end)) tokens.fact('attachment:program')
    if (pieces.length > 2 && pieces.at(-2)!.length <= 4 && documents.has(pieces.at(-2)!))
      tokens.fact('attachment:two endings')
    if (part.subtype === 'html' || end === 'htm' || end === 'shtml') tokens.fact('attachment:page')
    if (part.type === 'image' && part.end - part.body > 20_000) tokens.fact('attachment:large picture')
  }

  #text(part: Part): void {
    const charset = findParam(part.params, 'charset')?.toLowerCase()
    if (charset !== undefined) this.#tokens.fact(`charset:${charset.slice(0, 20)}`)
    if (part.encoding === 'base64') this.#tokens.fact('text:base64')
    if (this.#left <= 0 || this.#tokens.full) return
    const end = Math.min(part.end, part.body + partBytes)
    const raw = decodeText(decodeBody(part.encoding, this.#bytes.subarray(part.body, end)), charset)
    const isHtml = part.subtype === 'html'
    if (isHtml) readMarkup(raw, this.#tokens, this.#links, this.#pictures)
    const text = (isHtml ? htmlToText(raw) : raw).slice(0, this.#left)
    this.#left -= text.length
    this.#words += text.length
    if (!isHtml) this.#plain ||= text
    const before = this.#tokens.singles.length
    readWords(text, 'body', this.#tokens, isHtml ? undefined : this.#links)
    // A plain text beside HTML that says quite other words is there for filters.
    if (!isHtml && this.#words > text.length && this.#tokens.singles.length - before > 40)
      this.#tokens.fact('text:other words')
  }

  #shape(html: boolean, plain: boolean): void {
    const tokens = this.#tokens
    tokens.fact(`text:${html ? (plain ? 'both' : 'html') : plain ? 'plain' : 'none'}`)
    const size = this.#words
    tokens.fact(`text:${size < 200 ? 'tiny' : size < 800 ? 'short' : size < 3_000 ? 'middle' : 'long'}`)
    if (this.#pictures.count > 0) {
      tokens.fact(this.#pictures.count < 3 ? 'pictures:few' : 'pictures:many')
      if (size < 300) tokens.fact('pictures:hardly text')
    }
    const at = this.#plain.indexOf('\n>')
    if (at >= 0 || this.#plain.startsWith('>')) tokens.fact('text:quotes')
    if (hasWallet(this.#plain)) tokens.fact('text:wallet')
    if (this.#plain.includes('\n-- \n') || this.#plain.includes('\n-- \r\n')) tokens.fact('text:signature')
  }
}

const programs: ReadonlySet<string> = new Set(
  'exe scr com pif bat cmd vbs vbe js jse wsf wsh hta msi ps1 jar lnk iso img cab ace cpl reg chm docm xlsm pptm xll one'.split(
    ' ',
  ),
)
const documents: ReadonlySet<string> = new Set('pdf doc docx xls xlsx jpg jpeg png txt csv mp3 zip'.split(' '))

/** A word like the addresses to which ransom is paid. */
function hasWallet(text: string): boolean {
  for (const start of ['bc1q', ' 1', ' 3', '0x']) {
    for (let at = text.indexOf(start), tries = 0; at >= 0 && tries < 200; at = text.indexOf(start, at + 1), tries++) {
      let end = at + start.length
      let digits = 0
      while (end < text.length && end - at < 70 && isWordCode(text.charCodeAt(end))) {
        if (text.charCodeAt(end) < 58) digits++
        end++
      }
      if (end - at >= 27 && end - at <= 64 && digits >= 3) return true
    }
  }
  return false
}

const isWordCode = (c: number): boolean => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
