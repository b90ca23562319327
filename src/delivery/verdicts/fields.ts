// The header fields that say what was thought of a message: for mail programs, rules, and whoever wonders why it is in Junk. The subject is
// never touched: signatures cover it. Nothing here can hold CR, LF or NUL but at the end of a line.

import { formatHeaders } from '../../filters/index.ts'
import type { Decision } from './decide.ts'
import type { NamedAnswer } from './findings.ts'

/** Lower-case beginnings of names by which mail programs and rules believe a filter: from outside they are not taken (check-header.ts). */
const believed = ['x-spam', 'x-virus', 'x-posthorn-', 'x-rspamd-']

/** Whether a stranger's field of this name (lower case) would be taken for one of ours. */
export const isBelieved = (name: string): boolean => believed.some((start) => name.startsWith(start))

/** The fields of one decision, each with its end; empty when there is nothing to say. */
export function formatFields(decision: Decision, answers: readonly NamedAnswer[]): Buffer {
  const { action, reasons } = decision
  const given = answers.flatMap(({ headers = [] }) => headers)
  const has = (wanted: string) => given.some(({ name }) => name.toLowerCase() === wanted)
  const fields = [formatHeaders(given)]
  const scored = answers.find(({ score }) => score !== undefined)
  const marked = action === 'tag' || action === 'junk'
  if (scored && !has('x-spam-status')) fields.push(foldField('X-Spam-Status', formatStatus(scored, marked)))
  // What somebody lets go out of the quarantine is no spam to him.
  if (marked && !has('x-spam-flag')) fields.push('X-Spam-Flag: YES\r\n')
  if (action !== 'accept') fields.push(foldField('X-Posthorn-Verdict', [action, ...reasons].join('; ')))
  return Buffer.from(fields.join(''))
}

/** As SpamAssassin writes it, for the rules that people have. */
function formatStatus({ score, threshold, symbols = [] }: NamedAnswer, spam: boolean): string {
  const required = threshold === undefined ? '' : ` required=${threshold}`
  return `${spam ? 'Yes' : 'No'}, score=${score}${required}${symbols.length > 0 ? ` tests=${symbols.join(', ')}` : ''}`
}

/** Characters of a line where words allow it (RFC 5322 §2.1.1), and of a word that stands alone. */
const lineLength = 78
const wordLength = 500

/** ASCII, folded between words. */
function foldField(name: string, value: string): string {
  let out = `${name}:`
  let length = out.length
  for (const word of toAscii(value).split(' ').flatMap(cutWord)) {
    const folds = length > name.length + 1 && length + 1 + word.length > lineLength
    out += folds ? `\r\n\t${word}` : ` ${word}`
    length = (folds ? 0 : length) + 1 + word.length
  }
  return `${out}\r\n`
}

/** Visible ASCII, and blanks for what divides. */
function toAscii(text: string): string {
  let out = ''
  for (const char of text) out += char <= ' ' || char === '\x7f' ? ' ' : char > '\x7f' ? '?' : char
  return out.trim()
}

function cutWord(word: string): string[] {
  const pieces: string[] = []
  for (let at = 0; at < word.length; at += wordLength) pieces.push(word.slice(at, at + wordLength))
  return pieces
}
