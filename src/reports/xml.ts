// XML as reports need it: elements, text, character references. Reads the children of the root one by one, so that a report of a hundred
// thousand records never stands in memory as a tree. Refuses document types, and with them every entity but the five of XML itself.

import { reportLimits as limits } from './limits.ts'
import { MalformedReport } from './types.ts'

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string
  readonly children: readonly XmlElement[]
  /** Its own text, without blanks at the ends; cut where it is too long. */
  readonly text: string
}

/** Text of the first child of this name; empty when there is none. */
export const textOf = (element: XmlElement | undefined, name: string): string => childOf(element, name)?.text ?? ''
export const childOf = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element?.children.find((child) => child.name === name)
export const childrenOf = (element: XmlElement | undefined, name: string): XmlElement[] =>
  element?.children.filter((child) => child.name === name) ?? []

interface Open {
  readonly full: string
  readonly element: { name: string; children: XmlElement[]; text: string }
  /** Of another namespace than the root: left out with all that it holds. */
  readonly foreign: boolean
}

const foreignElement: XmlElement = { name: '', children: [], text: '' }

interface Tag {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly empty: boolean
}

const malformed = (why: string): never => {
  throw new MalformedReport(`the XML is malformed: ${why}`)
}

/** Reads a document; every method throws MalformedReport. */
export class XmlReader {
  readonly root: string
  /** The namespace of the root; empty when it has none. */
  readonly namespace: string
  readonly #text: string
  readonly #prefix: string
  readonly #rootName: string
  #at = 0
  #elements = 0
  #ended = false

  constructor(text: string) {
    this.#text = text
    this.#skipMisc()
    const tag = this.#readTag()
    const [prefix, name] = splitName(tag.name)
    this.#rootName = tag.name
    this.#prefix = prefix
    this.root = name
    this.namespace = tag.attributes.get(prefix === '' ? 'xmlns' : `xmlns:${prefix}`) ?? ''
    if (tag.empty) this.#end()
  }

  /**
   * The next child of the root, without a name when it is of another namespace; undefined after the last one, when the document has ended
   * as it should.
   */
  next(): XmlElement | undefined {
    this.#elements = 0
    return this.#ended ? undefined : this.#readChild()
  }

  #readChild(): XmlElement | undefined {
    const stack: Open[] = []
    for (;;) {
      const text = this.#readText()
      const top = stack.at(-1)
      if (top && !top.foreign && top.element.text.length < limits.text) top.element.text += text.slice(0, limits.text)
      if (this.#text.startsWith('</', this.#at)) {
        const name = this.#readClose()
        const open = stack.pop()
        if (name !== (open?.full ?? this.#rootName)) malformed(`</${name}> closes <${open?.full ?? this.#rootName}>`)
        if (!open) {
          this.#end()
          return undefined
        }
        if (this.#put(stack, open)) return open.foreign ? foreignElement : open.element
        continue
      }
      const tag = this.#readTag()
      if (stack.length + 1 >= limits.depth) malformed('elements stand too deep in each other')
      const open = this.#open(tag, stack.at(-1)?.foreign === true)
      if (!tag.empty) stack.push(open)
      else if (this.#put(stack, open)) return open.foreign ? foreignElement : open.element
    }
  }

  #open(tag: Tag, insideForeign: boolean): Open {
    if (++this.#elements > limits.elements) malformed('a record has too many elements')
    const [prefix, name] = splitName(tag.name)
    const own = tag.attributes.get(prefix === '' ? 'xmlns' : `xmlns:${prefix}`)
    const foreign = insideForeign || prefix !== this.#prefix || (own !== undefined && own !== this.namespace)
    return { full: tag.name, element: { name, children: [], text: '' }, foreign }
  }

  /** Gives a whole element to the one around it; true when that is the root. */
  #put(stack: readonly Open[], { element, foreign }: Open): boolean {
    element.text = element.text.trim()
    const parent = stack.at(-1)
    if (!parent) return true
    if (!foreign) parent.element.children.push(element)
    return false
  }

  /** Text up to the next tag, with what CDATA holds; comments and instructions are passed over. */
  #readText(): string {
    let out = ''
    for (;;) {
      const tag = this.#text.indexOf('<', this.#at)
      if (tag < 0) malformed('it ends inside an element')
      if (tag > this.#at) out += decodeReferences(cut(this.#text, this.#at, tag))
      this.#at = tag
      if (this.#text.startsWith('<![CDATA[', tag)) {
        const from = tag + 9
        const to = this.#find(']]>', from)
        out += this.#text.slice(from, Math.min(to, from + limits.text))
        this.#at = to + 3
      } else if (!this.#skipOne()) return out
    }
  }

  /** What may stand around the root: a declaration, comments, instructions, blanks. */
  #skipMisc(): void {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at = 1
    do {
      while (isBlank(this.#text.charCodeAt(this.#at))) this.#at++
    } while (this.#skipOne())
  }

  #skipOne(): boolean {
    if (this.#text.startsWith('<!--', this.#at)) this.#at = this.#find('-->', this.#at + 4) + 3
    else if (this.#text.startsWith('<?', this.#at)) this.#at = this.#find('?>', this.#at + 2) + 2
    else return false
    return true
  }

  #find(end: string, from: number): number {
    const at = this.#text.indexOf(end, from)
    return at < 0 ? malformed(`${end} is missing`) : at
  }

  #end(): void {
    this.#ended = true
    this.#skipMisc()
    if (this.#at < this.#text.length) malformed('something follows its root')
  }

  #readClose(): string {
    const to = this.#find('>', this.#at)
    if (to - this.#at > limits.name + 20) malformed('a tag is too long')
    const name = this.#text.slice(this.#at + 2, to).trim()
    this.#at = to + 1
    return name
  }

  #readTag(): Tag {
    const text = this.#text
    if (text[this.#at] !== '<') malformed('no element where one should be')
    if (text[this.#at + 1] === '!') malformed('document types and entities are not read')
    const start = this.#at + 1
    let at = start
    while (isNameCode(text.charCodeAt(at))) at++
    const name = text.slice(start, at)
    if (name === '' || name.length > limits.name) malformed('a tag has no proper name')
    const attributes = new Map<string, string>()
    for (;;) {
      while (isBlank(text.charCodeAt(at))) at++
      if (at - start > limits.tag) malformed('a tag is too long')
      if (text[at] === '>') {
        this.#at = at + 1
        return { name, attributes, empty: false }
      }
      if (text[at] === '/' && text[at + 1] === '>') {
        this.#at = at + 2
        return { name, attributes, empty: true }
      }
      at = readAttribute(text, at, attributes)
    }
  }
}

/** `name="value"` at `at`; where it ends. */
function readAttribute(text: string, from: number, attributes: Map<string, string>): number {
  let at = from
  while (isNameCode(text.charCodeAt(at))) at++
  const name = text.slice(from, at)
  if (name === '' || name.length > limits.name) malformed('an attribute has no proper name')
  while (isBlank(text.charCodeAt(at))) at++
  if (text[at] !== '=') malformed(`the attribute ${name} has no value`)
  at++
  while (isBlank(text.charCodeAt(at))) at++
  const quote = text[at]
  if (quote !== '"' && quote !== "'") malformed(`the attribute ${name} has no quotes`)
  const end = text.indexOf(quote!, at + 1)
  if (end < 0 || end - at > limits.tag) malformed(`the attribute ${name} does not end`)
  attributes.set(name, decodeReferences(text.slice(at + 1, end)))
  return end + 1
}

/** From `start` to `end`, shortened where that is very long, and not within a reference. */
function cut(text: string, start: number, end: number): string {
  if (end - start <= 4 * limits.text) return text.slice(start, end)
  const piece = text.slice(start, start + 4 * limits.text)
  const reference = piece.lastIndexOf('&')
  return reference > piece.length - 12 ? piece.slice(0, reference) : piece
}

function splitName(name: string): [prefix: string, name: string] {
  const colon = name.indexOf(':')
  return colon < 0 ? ['', name] : [name.slice(0, colon), name.slice(colon + 1)]
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decodeReferences(text: string): string {
  let out = ''
  let from = 0
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', from)) {
    const end = text.indexOf(';', at)
    if (end < 0 || end - at > 10) malformed('an & that begins no reference')
    out += text.slice(from, at) + decodeReference(text.slice(at + 1, end))
    from = end + 1
  }
  return from === 0 ? text : out + text.slice(from)
}

function decodeReference(name: string): string {
  if (name.startsWith('#')) {
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10)
    if (!(code > 0 && code <= 0x10_ffff) || (code >= 0xd800 && code <= 0xdfff)) malformed(`&${name}; is no character`)
    return String.fromCodePoint(code)
  }
  return Object.hasOwn(named, name) ? named[name]! : malformed(`the entity &${name}; is unknown`)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

function isNameCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x3a) ||
    code === 0x5f ||
    code === 0x2d ||
    code === 0x2e ||
    code > 0x7f
  )
}

/** Text as it may stand in an element: what XML 1.0 cannot say is left out. */
export function escapeXml(text: string): string {
  let out = ''
  for (const char of text.toWellFormed()) {
    if (char === '&') out += '&amp;'
    else if (char === '<') out += '&lt;'
    else if (char === '>') out += '&gt;'
    else if ((char >= ' ' && char !== '\x7f' && char < '\ufffe') || char > '\uffff' || char === '\n' || char === '\t')
      out += char
  }
  return out
}
