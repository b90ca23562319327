// What commands print: a table or a line for people, JSON for programs, one line on standard error when it went wrong.

import { stripVTControlCharacters, styleText } from 'node:util'
import { isFault } from '../../base/index.ts'
import { ConfigError } from '../config/error.ts'

/** How a command ends: 0 done, 1 refused or failed, 2 not called rightly or not configured. */
export const exitCodes = { done: 0, refused: 1, usage: 2 } as const

/** A command that ends with `code` after these words. */
export class CommandError extends Error {
  readonly code: number
  constructor(message: string, code: number = exitCodes.usage) {
    super(message)
    this.code = code
  }
}

export interface Output {
  /** Prints `value` as JSON with --json, else what `human` makes of it. */
  result<T>(value: T, human: (value: T) => string): void
  /** A remark for people; silent with --json. */
  note(text: string): void
}

export function createOutput(json: boolean, write: (text: string) => void): Output {
  return {
    result(value, human) {
      const text = json ? JSON.stringify(value) : human(value)
      if (text !== '') write(`${text}\n`)
    },
    note(text) {
      if (!json) write(`${text}\n`)
    },
  }
}

/** Columns side by side under their names; numbers stand right. `empty` is said when there is no row. */
export function formatTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  empty: string,
): string {
  if (rows.length === 0) return empty
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => width(String(row[i] ?? '')))))
  const line = (cells: readonly (string | number)[], right: (i: number) => boolean) =>
    cells
      .map((cell, i) => {
        const gap = ' '.repeat(Math.max(0, widths[i]! - width(String(cell))))
        return right(i) ? gap + cell : i === cells.length - 1 ? String(cell) : cell + gap
      })
      .join('  ')
      .trimEnd()
  const numeric = columns.map((_, i) => rows.every((row) => typeof row[i] === 'number'))
  const head = line(columns, (i) => numeric[i]!)
  return [styleText('bold', head), ...rows.map((row) => line(row, (i) => numeric[i]!))].join('\n')
}

const width = (text: string) => [...stripVTControlCharacters(text)].length

/** `4.2 MiB`; plain bytes under 1,024. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`
}

/** `3 m`, `2 h`, `5 d`; for times gone and to come. */
export function formatSpan(ms: number): string {
  const spans: readonly (readonly [number, string])[] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1000, 's'],
  ]
  const [size, name] = spans.find(([size]) => Math.abs(ms) >= size) ?? [1000, 's']
  return `${Math.round(ms / size)} ${name}`
}

/** Says on standard error what went wrong and returns the exit code. */
export function reportError(error: unknown, json: boolean, write: (text: string) => void): number {
  const lines = error instanceof ConfigError ? error.lines : [words(error)]
  if (json) write(`${JSON.stringify({ error: lines.join('; '), code: isFault(error) ? error.code : 'failed' })}\n`)
  else for (const line of lines) write(`posthorn: ${line}\n`)
  if (error instanceof CommandError) return error.code
  return error instanceof ConfigError ? exitCodes.usage : exitCodes.refused
}

function words(error: unknown): string {
  if (isFault(error) || error instanceof CommandError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The text of a TXT record as a zone has it: strings of at most 255 characters (RFC 1035 §3.3.14). */
export function formatTxt(value: string): string {
  const strings: string[] = []
  for (let at = 0; at < value.length; at += 250) strings.push(`"${value.slice(at, at + 250)}"`)
  return strings.length === 1 ? strings[0]! : `( ${strings.join('\n    ')} )`
}
