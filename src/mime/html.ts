// The text of an HTML part, for search and preview: tags out, entities decoded, in one pass. Knows no structure and renders nothing.

/** Names of U+00A0 … U+00FF in order (HTML 4.01 §24.2). */
const latin1Names =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
/** What mail programs write beyond Latin-1. */
const otherNames: { readonly [name: string]: string } = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  OElig: 'Œ',
  oelig: 'œ',
  Scaron: 'Š',
  scaron: 'š',
  Yuml: 'Ÿ',
  fnof: 'ƒ',
  circ: 'ˆ',
  tilde: '˜',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
  zwnj: '',
  zwj: '',
  lrm: '',
  rlm: '',
  ndash: '–',
  mdash: '—',
  lsquo: '‘',
  rsquo: '’',
  sbquo: '‚',
  ldquo: '“',
  rdquo: '”',
  bdquo: '„',
  dagger: '†',
  Dagger: '‡',
  bull: '•',
  hellip: '…',
  permil: '‰',
  prime: '′',
  Prime: '″',
  lsaquo: '‹',
  rsaquo: '›',
  euro: '€',
  trade: '™',
  larr: '←',
  uarr: '↑',
  rarr: '→',
  darr: '↓',
  harr: '↔',
  minus: '−',
  infin: '∞',
  ne: '≠',
  le: '≤',
  ge: '≥',
  asymp: '≈',
  check: '✓',
  star: '☆',
  starf: '★',
  hearts: '♥',
  Alpha: 'Α',
  Beta: 'Β',
  Gamma: 'Γ',
  Delta: 'Δ',
  Omega: 'Ω',
  Sigma: 'Σ',
  Pi: 'Π',
  Phi: 'Φ',
  Psi: 'Ψ',
  Theta: 'Θ',
  Lambda: 'Λ',
  alpha: 'α',
  beta: 'β',
  gamma: 'γ',
  delta: 'δ',
  epsilon: 'ε',
  omega: 'ω',
  sigma: 'σ',
  pi: 'π',
  phi: 'φ',
  psi: 'ψ',
  theta: 'θ',
  lambda: 'λ',
  mu: 'μ',
}
const entities = new Map(Object.entries(otherNames))
for (const [i, name] of latin1Names.split(' ').entries()) entities.set(name, String.fromCharCode(160 + i))

/** Windows-1252 for the numbers 128–159, as browsers read them. */
const c1 = new TextDecoder('windows-1252')
const MAX_ENTITY = 12

/** Elements whose content is no text. */
const hidden = new Set(['style', 'script', 'title', 'template'])
/** Elements that do not break a word. */
const inline = new Set([
  'a',
  'b',
  'i',
  'u',
  's',
  'em',
  'strong',
  'span',
  'font',
  'small',
  'big',
  'sub',
  'sup',
  'code',
  'tt',
  'mark',
  'wbr',
  'abbr',
  'ins',
  'del',
  'bdo',
  'label',
])

/** Linear in the length of `html`. Block elements become line breaks. */
export function htmlToText(html: string): string {
  const text = new HtmlText()
  return text.write(html) + text.end()
}

/** Characters behind a `<` that are seen before it is judged; a tag that is longer ends with the first `>`. */
const LOOKAHEAD = 8192
/** Characters kept while the end of a comment or of a hidden element is looked for: longer than any such end. */
const MARK = 24

/** HTML that comes in pieces, cut anywhere. */
export class HtmlText {
  #rest = ''
  /** The mark, or the hidden element, at whose end text begins again; '' within text. */
  #until = ''

  write(html: string): string {
    return this.#read(this.#rest + html, false)
  }

  end(): string {
    return this.#read(this.#rest, true)
  }

  #read(html: string, final: boolean): string {
    const out: string[] = []
    const limit = final ? html.length : html.length - LOOKAHEAD
    let at = 0
    while (at < limit) {
      if (this.#until !== '') {
        at = this.#pass(html, at, final)
        continue
      }
      const open = html.indexOf('<', at)
      const isTag = open >= 0 && open < limit
      const end = isTag ? open : final ? limit : beforeEntity(html, at, limit)
      if (end > at) out.push(decodeEntities(html.slice(at, end)))
      at = isTag ? this.#readTag(html, open, out) : end
      if (!isTag) break
    }
    this.#rest = html.slice(at)
    return out.join('')
  }

  /** Reads the markup at `open`; a `<` that opens none is text. Returns the offset behind what was read. */
  #readTag(html: string, open: number, out: string[]): number {
    if (html.startsWith('<!--', open)) return this.#passTo('-->', open + 4)
    const next = html[open + 1] ?? ''
    if (next === '!' || next === '?') return this.#passTo('>', open)
    const name = tagName(html, next === '/' ? open + 2 : open + 1)
    if (name === '') {
      out.push('<')
      return open + 1
    }
    if (!inline.has(name)) out.push('\n')
    const end = tagEnd(html, open + 1)
    if (end < 0 || end - open > LOOKAHEAD) return this.#passTo('>', open + 1)
    return next !== '/' && hidden.has(name) ? this.#passTo(name, end) : end
  }

  #passTo(until: string, from: number): number {
    this.#until = until
    return from
  }

  /** Offset at which text begins again, or of what is needed to find it later. */
  #pass(html: string, at: number, final: boolean): number {
    const isMark = !hidden.has(this.#until)
    const end = isMark ? after(html, this.#until, at) : hiddenEnd(html, this.#until, at, final ? 0 : MARK)
    if (end >= 0) {
      this.#until = ''
      return end
    }
    return final ? html.length : Math.max(at, html.length - MARK)
  }
}

/**
 * Whether every word of the text of this HTML stands in it as it is: markup that goes without a break stands beside white space, and
 * nothing is written as an entity. False also where that is not certain.
 */
export function isLiteralHtml(html: string): boolean {
  if (html.includes('&')) return false
  // What stands here: the beginning of a word, a place within one, or a place within one if text follows.
  let place: 'between' | 'within' | 'open' = 'between'
  for (let at = 0; ; ) {
    const open = html.indexOf('<', at)
    const textEnd = open < 0 ? html.length : open
    if (textEnd > at) {
      if (place === 'open' && !isBlank(html.charCodeAt(at))) return false
      place = isBlank(html.charCodeAt(textEnd - 1)) ? 'between' : 'within'
    }
    if (open < 0) return true
    const name = tagName(html, html[open + 1] === '/' ? open + 2 : open + 1)
    const end = tagEnd(html, open + 1)
    if (name === '' || hidden.has(name) || end < 0 || end - open > LOOKAHEAD) return false
    if (!inline.has(name)) place = 'between'
    else if (place === 'within') place = 'open'
    at = end
  }
}

const isBlank = (c: number): boolean => c <= 32

/** The last place up to `limit` that stands in no entity. */
function beforeEntity(html: string, at: number, limit: number): number {
  const ampersand = html.lastIndexOf('&', limit - 1)
  return ampersand >= at && limit - ampersand <= MAX_ENTITY + 1 ? ampersand : limit
}

/** Offset behind the next mark, or -1. */
function after(html: string, mark: string, from: number): number {
  const at = html.indexOf(mark, from)
  return at < 0 ? -1 : at + mark.length
}

/** Name of a tag, lower case, at most 16 letters and digits; '' when no letter stands there. */
function tagName(html: string, at: number): string {
  let end = at
  while (end < html.length && end - at < 16 && isAlphanumeric(html.charCodeAt(end))) end++
  return isAlphanumeric(html.charCodeAt(at)) && html[at]! > '9' ? html.slice(at, end).toLowerCase() : ''
}

/** Offset behind the `>` of a tag, which does not count in a quoted attribute value; -1 without. An open quote ends with the first `>`. */
function tagEnd(html: string, from: number): number {
  const close = html.indexOf('>', from)
  if (close < 0) return -1
  let at = from
  let end = close
  // Quotes that hold a `>` are few; each turn moves behind one of them.
  for (;;) {
    const quote = openQuote(html, at, end)
    if (quote < 0) return end + 1
    const shut = html.indexOf(html[quote]!, end)
    const next = shut < 0 ? -1 : html.indexOf('>', shut)
    // A value without end, or one that is far away: the quote was none.
    if (next < 0 || shut - quote > 2000 || next - from > LOOKAHEAD - 2) return end + 1
    at = shut + 1
    end = next
  }
}

/** Offset of a quote between `from` and `end` that is not closed there, or -1. */
function openQuote(html: string, from: number, end: number): number {
  let quote = -1
  for (let i = from; i < end; i++) {
    const c = html.charCodeAt(i)
    if (c !== 34 && c !== 39) continue
    if (quote < 0) quote = i
    else if (html.charCodeAt(quote) === c) quote = -1
  }
  return quote
}

/** Offset of the end tag of a hidden element with `least` characters behind it, or -1. */
function hiddenEnd(html: string, name: string, from: number, least: number): number {
  for (let at = html.indexOf('</', from); at >= 0 && at + least <= html.length; at = html.indexOf('</', at + 2))
    if (tagName(html, at + 2) === name) return at
  return -1
}

function decodeEntities(text: string): string {
  let at = text.indexOf('&')
  if (at < 0) return text
  let out = ''
  let from = 0
  while (at >= 0) {
    const entity = readEntity(text, at)
    if (entity) {
      out += text.slice(from, at) + entity.text
      from = entity.end
    }
    at = text.indexOf('&', Math.max(from, at + 1))
  }
  return out + text.slice(from)
}

function readEntity(text: string, at: number): { text: string; end: number } | undefined {
  let end = at + 1
  if (text[end] === '#') end++
  while (end < text.length && end - at < MAX_ENTITY && isAlphanumeric(text.charCodeAt(end))) end++
  const name = text.slice(at + 1, end)
  const char = name[0] === '#' ? numeric(name.slice(1)) : entities.get(name)
  return char === undefined ? undefined : { text: char, end: text[end] === ';' ? end + 1 : end }
}

function numeric(digits: string): string | undefined {
  const hex = digits[0] === 'x' || digits[0] === 'X'
  const code = digits.length < 2 && hex ? Number.NaN : Number(hex ? `0x${digits.slice(1)}` : digits || 'x')
  if (!Number.isInteger(code) || code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return undefined
  return code >= 128 && code < 160 ? c1.decode(Uint8Array.of(code)) : String.fromCodePoint(code)
}

function isAlphanumeric(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57)
}
