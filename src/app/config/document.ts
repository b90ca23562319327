// The schema as words: the commented example file and docs/configuration.md.

import { stringify } from 'yaml'
import type * as z from 'zod'
import { shapeOf } from './load.ts'
import { type Note, notes } from './pieces.ts'
import { schema } from './schema.ts'

interface Key {
  readonly path: readonly string[]
  readonly note: Note
  readonly table: boolean
  readonly fallback: unknown
}

/** Every key of the schema in order, tables before their keys. */
export function keys(): Key[] {
  const found: Key[] = []
  const walk = (at: z.ZodType, path: readonly string[]) => {
    for (const [name, child] of Object.entries(shapeOf(at) ?? {})) {
      const note = notes.get(child)
      if (!note) throw new Error(`the key ${[...path, name].join('.')} has no description`)
      const table = shapeOf(child) !== undefined
      found.push({ path: [...path, name], note, table, fallback: table ? undefined : fallbackOf([...path, name]) })
      if (table) walk(child, [...path, name])
    }
  }
  walk(schema, [])
  return found
}

function fallbackOf(path: readonly string[]): unknown {
  let at: unknown = schema.parse({})
  for (const key of path) at = (at as Record<string, unknown> | undefined)?.[key]
  return at
}

/** The commented example: what has a default stands there with it, the listeners stand on, the rest is commented out. */
export function formatExample(): string {
  const lines = ['# Posthorn. Every key with its default; what has none is commented out.', '']
  for (const { path, note, table, fallback } of keys()) {
    const indent = '  '.repeat(path.length - 1)
    const off = offDepth(path)
    const tableOff = off !== undefined
    const on = table
      ? !tableOff
      : !tableOff && (fallback !== undefined || (path[0] === 'listen' && path[1] !== 'acme') || path[0] === 'hostname')
    const before = `${indent.slice(0, 2 * (off ?? 0))}# ${indent.slice(2 * (off ?? 0))}`
    const start = on ? indent : tableOff ? before : `${indent}# `
    const remark = tableOff && path.length > off + 1 ? `${before}# ` : `${indent}# `
    if (path.length === 1) lines.push('')
    for (const line of wrap(note.description, 100 - indent.length)) lines.push(remark + line)
    const name = path.at(-1)!
    if (table) lines.push(`${start}${name}:`)
    else {
      const value = fallback ?? note.example
      const empty = typeof fallback === 'object' && fallback !== null && Object.keys(fallback).length === 0
      lines.push(`${start}${name}: ${formatValue(path, value)}`)
      if (empty && note.example) lines.push(`${indent}# ${name}: ${formatValue(path, note.example)}`)
    }
  }
  return `${lines.join('\n').replace(/\n{3,}/g, '\n\n')}\n`
}

/** At which depth a table stands that is absent by default, and everything in it commented out; undefined: none. */
function offDepth(path: readonly string[]): number | undefined {
  const n = path.findIndex(
    (_, i) => tables().has(path.slice(0, i + 1).join('.')) && fallbackOf(path.slice(0, i + 1)) === undefined,
  )
  return n < 0 ? undefined : n
}
let named: ReadonlySet<string> | undefined
const tables = () => (named ??= new Set(keys().flatMap(({ path, table }) => (table ? [path.join('.')] : []))))

const flow = (value: unknown) => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()

function formatValue(path: readonly string[], value: unknown): string {
  const unit = unitOf[path.join('.')]
  if (!unit) return flow(value)
  return Array.isArray(value) ? flow(value.map(unit)) : unit(value as number)
}

const units: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
]
function formatDuration(ms: number): string {
  const [size, name] = units.find(([size]) => ms % size === 0 && (size < 86_400_000 || ms > size)) ?? [1, 'ms']
  return `${ms / size}${name}`
}
const formatSize = (bytes: number): string => (bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}M` : `${bytes / 2 ** 10}K`)
const filterUnits = ['clamav', 'spamassassin', 'rspamd', 'dnsbl'].flatMap((name) => [
  [`filters.${name}.timeout`, formatDuration] as const,
  [`filters.${name}.maxSize`, formatSize] as const,
])
const unitOf: Readonly<Record<string, (value: number) => string>> = {
  ...Object.fromEntries(filterUnits),
  'queue.schedule': formatDuration,
  'queue.lifetime': formatDuration,
  'queue.delayNotice': formatDuration,
  'trace.keep': formatDuration,
  'smtp.greetingDelay': formatDuration,
  'disk.minimumFree': formatSize,
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line !== '' && line.length + word.length + 1 > width) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines
}

/** docs/configuration.md. */
export function formatDocs(): string {
  const lines = [
    '# Configuration',
    '',
    '<!-- Written by `bin/posthorn config docs` from src/app/config/schema.ts; a test compares. Do not edit. -->',
    '',
    'One YAML file, given with `--config FILE` or `POSTHORN_CONFIG`; without it `./posthorn.yaml`; without that an embedded',
    'default (everything on loopback, data in `./data`). `posthorn config example` prints a commented file to start from,',
    '`posthorn config check` says what is wrong, with line, key, what was expected and what was found.',
    '',
    'Every key can be set from the environment, which wins over the file: `POSTHORN_LISTEN__SMTP=127.0.0.1:2525` is',
    '`listen.smtp`, two underscores go one level down, and the value is YAML (`[a, b]` is a list). A value marked as *secret*',
    'below may be `{file: path}`: then it is read from that file.',
    '',
    'Sizes are bytes or `50M`, `1G` (powers of 1,024). Durations are `30s`, `15m`, `4h`, `5d`.',
    '',
    '`HUP` reads the file again. Keys marked *reloads* take effect at once; a change of any other is named in the log and waits',
    'for the next start.',
    '',
    '| key | default | expected | what it does |',
    '|---|---|---|---|',
  ]
  for (const { path, note, table, fallback } of keys()) {
    if (table) {
      const reloads = note.reload ? ' *(reloads)*' : ''
      lines.push(`| **\`${path.join('.')}\`** | | | ${note.description}${reloads} |`)
      continue
    }
    const name = path.join('.')
    const value = fallback === undefined ? '' : `\`${formatValue(path, fallback)}\``
    const marks = [note.reload ? 'reloads' : '', secrets.has(name) ? 'secret' : ''].filter((mark) => mark !== '')
    const tail = marks.length > 0 ? ` *(${marks.join(', ')})*` : ''
    lines.push(`| \`${name}\` | ${value} | ${note.expected} | ${note.description.replaceAll('|', '\\|')}${tail} |`)
  }
  return `${lines.join('\n')}\n`
}
const secrets: ReadonlySet<string> = new Set([
  'store',
  'queue.routes',
  'filters.rspamd.password',
  'acme.eab.hmac',
  'acme.dns.keySecret',
  'acme.dns.token',
])
