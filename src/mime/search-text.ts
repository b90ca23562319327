// The text that SEARCH looks in, decoded and folded when it is asked for: a header whole, a body window by window, so that a text of
// any size is searched in little memory. Knows no needle.

import { decodeText, openText } from './charset.ts'
import { fold } from './fold.ts'
import { HtmlText, htmlToText } from './html.ts'
import { scanLimits } from './limits.ts'
import { findParam } from './parameters.ts'
import { fileName, headerText, isHtml, isText, type Want } from './text-parts.ts'
import { decodeBody, openTransfer } from './transfer.ts'
import type { Part } from './types.ts'

/** Bytes that are asked for at once, and characters of one window before folding. */
const WINDOW = 256 * 1024
/** How far back from the end of a window a place is looked for at which it may be cut. */
const SEAM_SEARCH = 256

/** Asks for bytes (answered by `next`) and gives text. */
type Steps = Generator<Want | string, void, Buffer>

/** All fields as folded lines `name: value`; what SEARCH HEADER and the header half of TEXT look in. */
export function searchHeader(header: Buffer): string {
  return fold(headerText(header))
}

/**
 * Folded windows of the text of all parts, names of files and headers of messages within, in order, each ended by a line feed.
 * Joined they are the fold of the whole: who searches keeps the end of one window, one character less than the needle, before the next.
 */
export function* searchBody(root: Part, window = WINDOW): Steps {
  const steps = readPart(root, window)
  let text = ''
  for (let step = steps.next(); !step.done; ) {
    if (typeof step.value !== 'string') {
      step = steps.next((yield step.value) as Buffer)
      continue
    }
    text += step.value
    if (text.length >= window) {
      const seam = findSeam(text)
      if (seam > 0) yield fold(text.slice(0, seam))
      text = text.slice(seam)
    }
    step = steps.next()
  }
  if (text !== '') yield fold(text)
}

/** The last place at which the fold of the whole is the folds of both sides; 0 when there is none in a short text. */
function findSeam(text: string): number {
  const least = Math.max(1, text.length - SEAM_SEARCH)
  for (let i = text.length - 1; i >= least; i--) {
    if (text.charCodeAt(i) < 128) return i
    const [before, after] = [text.slice(Math.max(0, i - 8), i), text.slice(i, i + 8)]
    if (!isLowSurrogate(text.charCodeAt(i)) && fold(before) + fold(after) === fold(before + after)) return i
  }
  if (text.length <= SEAM_SEARCH) return 0
  return text.length - (isLowSurrogate(text.charCodeAt(text.length - 1)) ? 2 : 1)
}

const isLowSurrogate = (c: number): boolean => c >= 0xdc00 && c < 0xe000

function* readPart(part: Part, window: number): Steps {
  const name = fileName(part)
  if (name) yield `${name}\n`
  if (part.message) {
    const { root } = part.message
    const end = Math.min(root.body, root.start + scanLimits.headerBytes)
    if (end > root.start) yield `${headerText((yield [root.start, end]) as Buffer)}\n`
    yield* readPart(root, window)
  } else if (part.parts && part.parts.length > 0) {
    for (const child of part.parts) yield* readPart(child, window)
  } else if (isText(part) && part.end > part.body) {
    yield* part.end - part.body <= window ? readWhole(part) : readPieces(part, window)
    yield '\n'
  }
}

function* readWhole(part: Part): Steps {
  const bytes = decodeBody(part.encoding, (yield [part.body, part.end]) as Buffer)
  const text = decodeText(bytes, findParam(part.params, 'charset'))
  yield isHtml(part) ? htmlToText(text) : text
}

function* readPieces(part: Part, window: number): Steps {
  const transfer = openTransfer(part.encoding)
  const text = openText(findParam(part.params, 'charset'))
  const html = isHtml(part) ? new HtmlText() : undefined
  const show = (decoded: string) => (html ? html.write(decoded) : decoded)
  for (let at = part.body; at < part.end; at += window)
    yield show(text.write(transfer.write((yield [at, Math.min(part.end, at + window)]) as Buffer)))
  yield show(text.write(transfer.end()) + text.end())
  if (html) yield html.end()
}
