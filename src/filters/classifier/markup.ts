// What is seen of HTML beside its text: links with what they show, pictures, forms, text that nobody shall see. One pass.

import { htmlToText } from '../../mime/index.ts'
import type { Links } from './links.ts'
import type { TokenSet } from './token-set.ts'

/** Of a tag's attributes, and of a link's text. */
const mostTag = 2_000
const mostText = 300
const mostLinks = 300

export interface Pictures {
  count: number
}

/** Looks at the tags of `html`; its words are not read here. */
export function readMarkup(html: string, tokens: TokenSet, links: Links, pictures: Pictures): void {
  let seen = 0
  for (let at = html.indexOf('<'); at >= 0; ) {
    const close = html.indexOf('>', at)
    if (close < 0) return
    const name = tagName(html, at + 1)
    const tag = name === '' ? '' : html.slice(at, Math.min(close, at + mostTag))
    if (name === 'a' && seen++ < mostLinks) {
      const href = attribute(tag, 'href')
      if (href !== '') links.add(href, htmlToText(linkText(html, close + 1)))
    } else if (name === 'img') readPicture(tag, tokens, pictures)
    else if (named.has(name)) tokens.fact(`html:${name}`)
    if (tag.length > name.length + 2) readStyle(tag, tokens)
    at = html.indexOf('<', close + 1)
  }
}

const named: ReadonlySet<string> = new Set([
  'form',
  'input',
  'script',
  'iframe',
  'object',
  'embed',
  'base',
  'area',
  'svg',
  'marquee',
  'meta',
  'table',
])

/** Letters behind `<`, lower case; '' when it is no tag that begins. */
function tagName(html: string, at: number): string {
  let end = at
  while (end < at + 10) {
    const c = html.charCodeAt(end) | 32
    if (!(c >= 97 && c <= 122)) break
    end++
  }
  return html.slice(at, end).toLowerCase()
}

/** Value of an attribute as it stands; '' without. */
function attribute(tag: string, name: string): string {
  const lower = tag.toLowerCase()
  for (let at = lower.indexOf(name, 1); at > 0; at = lower.indexOf(name, at + 1)) {
    if (lower.charCodeAt(at - 1) > 32) continue
    let i = at + name.length
    while (lower.charCodeAt(i) <= 32) i++
    if (tag[i] !== '=') continue
    i++
    while (tag.charCodeAt(i) <= 32) i++
    const quote = tag[i]
    if (quote !== '"' && quote !== "'") {
      let end = i
      while (end < tag.length && tag.charCodeAt(end) > 32) end++
      return tag.slice(i, end)
    }
    const end = tag.indexOf(quote, i + 1)
    return tag.slice(i + 1, end < 0 ? undefined : end).trim()
  }
  return ''
}

function linkText(html: string, from: number): string {
  const piece = html.slice(from, from + mostText)
  const end = piece.indexOf('</a')
  return end < 0 ? piece : piece.slice(0, end)
}

function readPicture(tag: string, tokens: TokenSet, pictures: Pictures): void {
  pictures.count++
  if (tag.includes('data:image')) tokens.fact('picture:inline data')
  else if (tag.includes('cid:')) tokens.fact('picture:attached')
  const [width, height] = [attribute(tag, 'width'), attribute(tag, 'height')]
  if ((width === '1' || width === '0') && (height === '1' || height === '0')) tokens.fact('picture:pixel')
}

function readStyle(tag: string, tokens: TokenSet): void {
  const style = tag.includes('style') ? attribute(tag, 'style') : ''
  if (style === '') return
  const tight = style.toLowerCase().replaceAll(' ', '')
  if (tight.includes('display:none') || tight.includes('visibility:hidden')) tokens.fact('html:not shown')
  if (tight.includes('font-size:0') || tight.includes('font-size:1px')) tokens.fact('html:tiny')
  if (tight.startsWith('color:#fff') || tight.includes(';color:#fff') || tight.includes('opacity:0'))
    tokens.fact('html:white')
}
