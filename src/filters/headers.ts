// Header fields that filters add: what daemons say is made into lines that can hold nothing but what they should.

import type { FilterHeader } from './types.ts'

/** RFC 5322 §2.1.1. */
const softLine = 78
const hardLine = 998
/** More than any filter has to say; names of symbols come from outside. */
const maxValue = 8_192
const maxName = 76

/** A field in its plain form: printable ASCII, folds as CRLF and a blank; undefined when the name is none. */
export function toHeader(name: string, value: string): FilterHeader | undefined {
  if (name.length === 0 || name.length > maxName) return undefined
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code < 33 || code > 126 || code === 58) return undefined
  }
  const lines = value
    .slice(0, maxValue)
    .split('\n')
    .map(toLine)
    .filter((line) => line !== '')
  const [first = '', ...rest] = lines
  return { name, value: [first, ...rest.map((line) => `\t${line}`)].join('\r\n') }
}

/** The line without blanks around it, controls as blanks and what is not ASCII as `?`. */
function toLine(line: string): string {
  let text = ''
  for (const char of line) {
    const code = char.codePointAt(0)!
    text += code > 126 ? '?' : code < 32 ? ' ' : char
  }
  return text.trim().slice(0, hardLine - maxName - 2)
}

/** Words folded so that lines stay short: `separator` stands at the end of a line. */
export function foldWords(words: readonly string[], separator = ' '): string {
  let out = ''
  let length = maxName / 2
  for (const [i, word] of words.entries()) {
    const last = i === words.length - 1
    const piece = last ? word : word + separator.trimEnd()
    if (i > 0) {
      const folds = length + piece.length + 1 > softLine
      out += folds ? '\n' : separator.endsWith(' ') ? ' ' : ''
      length = folds ? 8 : length + 1
    }
    out += piece
    length += piece.length
  }
  return out
}

/** Each field with its line end. */
export function formatHeaders(headers: readonly FilterHeader[]): string {
  return headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
}

/** What a daemon says, as words for people, a log and a reply line: printable ASCII, one line, not long. */
export function toWords(text: string, most = 200): string {
  let words = ''
  for (const char of text.slice(0, most * 2)) {
    const code = char.codePointAt(0)!
    words += code > 126 ? '?' : code < 32 ? ' ' : char
  }
  return words.trim().slice(0, most)
}
