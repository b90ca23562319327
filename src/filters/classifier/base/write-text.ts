// How texts are written into a message: encodings, folds, names in headers, words in disguise. Knows no family.

import { encodeWords } from '../../../mime/index.ts'
import { toAscii } from './lexicon.ts'
import type { Random } from './random.ts'

const twins: Readonly<Record<string, string>> = {
  a: 'а',
  e: 'е',
  o: 'о',
  p: 'р',
  c: 'с',
  y: 'у',
  x: 'х',
  i: 'і',
  s: 'ѕ',
}
const numerals: Readonly<Record<string, string>> = { o: '0', i: '1', e: '3', a: '4', s: '5', t: '7' }

export function obscure(word: string, kind: string, random: Random): string {
  if (kind === 'marks') return `${word.slice(0, 2)}${random.pick(['\u200b', '\u200c', '\u00ad'])}${word.slice(2)}`
  if (kind === 'spelled') return random.chance(0.3) ? [...word].join(random.pick([' ', '.', '-'])) : word
  const map = kind === 'digits' ? numerals : twins
  return [...word]
    .map((char, i) =>
      i > 0 && i < word.length - 1 && map[char] !== undefined && random.chance(0.5) ? map[char] : char,
    )
    .join('')
}

export function pickForm(value: number, plain: number, html: number): string {
  return value < plain ? 'plain' : value < plain + html ? 'html' : 'both'
}

export const types: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  ics: 'text/calendar',
  zip: 'application/zip',
  jpg: 'image/jpeg',
  png: 'image/png',
  html: 'text/html',
  htm: 'text/html',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  csv: 'text/csv',
  txt: 'text/plain',
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
  rar: 'application/vnd.rar',
  xlsm: 'application/vnd.ms-excel.sheet.macroenabled.12',
}

export const isAscii = (text: string): boolean => Buffer.byteLength(text) === text.length
export const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
export const phrase = (name: string): string => (isAscii(name) ? `"${name.replaceAll('"', '')}"` : encodeWords(name))
export const longestLine = (text: string): number => Math.max(...text.split('\n').map(({ length }) => length))
export const wrap = (text: string): string => text.replace(/.{76}/g, '$&\n')
export const toLocal = (text: string): string =>
  text
    .split('')
    .map((char) => (/[\w.+-]/.test(char) ? char : toAscii(char)))
    .join('')

export function namedTo(to: string): string {
  const open = to.lastIndexOf('<')
  return `${phrase(to.slice(0, open).trim())} ${to.slice(open)}`
}

export function fold72(line: string): string {
  if (line.length <= 74 || line.startsWith('>')) return line
  let [out, width] = ['', 0]
  for (const word of line.split(' ')) {
    if (width > 0 && width + word.length > 72) {
      out += `\n${word}`
      width = word.length
    } else {
      out += width === 0 ? word : ` ${word}`
      width += word.length + 1
    }
  }
  return out
}

export function toQuotedPrintable(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      let [out, width] = ['', 0]
      for (const byte of Buffer.from(line)) {
        const piece =
          byte === 61 || byte > 126 || byte < 32
            ? `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
            : String.fromCharCode(byte)
        if (width + piece.length > 74) {
          out += '=\n'
          width = 0
        }
        out += piece
        width += piece.length
      }
      return out
    })
    .join('\n')
}
