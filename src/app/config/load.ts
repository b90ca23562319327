// Reads the configuration: file, then environment over it, checked by the schema. Every error names file, line, key, what was
// expected and what was found. Knows no room.

import { readFileSync } from 'node:fs'
import { hostname as machineName } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type Document, LineCounter, parse, parseDocument } from 'yaml'
import * as z from 'zod'
import { systemWords } from '../system-words.ts'
import { ConfigError } from './error.ts'
import { type Note, notes } from './pieces.ts'
import { type FileConfig, isStore, schema } from './schema.ts'

/** The configuration with absolute paths and secrets read. */
export type Config = Readonly<Omit<FileConfig, 'hostname' | 'store' | 'queue' | 'filters' | 'acme'>> & {
  readonly hostname: string
  readonly store: string
  readonly queue: Readonly<Omit<FileConfig['queue'], 'routes'>> & { readonly routes: Readonly<Record<string, string>> }
  readonly filters: Readonly<Omit<FileConfig['filters'], 'rspamd'>> & {
    readonly rspamd: Readonly<Omit<FileConfig['filters']['rspamd'], 'password'>> & { readonly password?: string }
  }
  readonly acme: AcmeConfig
  /** Where it came from, for people: the file, or that it is the embedded default. */
  readonly source: string
  /** No file was given and none was found. */
  readonly embedded: boolean
}

type FileAcme = FileConfig['acme']
type AcmeConfig = Readonly<Omit<FileAcme, 'dns' | 'eab'>> & {
  readonly dns?: Omit<NonNullable<FileAcme['dns']>, 'keySecret' | 'token'> & {
    readonly keySecret?: string
    readonly token?: string
  }
  readonly eab?: { readonly kid: string; readonly hmac: string }
}

/** What runs when nobody says otherwise: everything on loopback, on ports that anybody may open. */
export const embeddedDefault = {
  hostname: 'localhost',
  data: './data',
  listen: {
    smtp: '127.0.0.1:2525',
    submission: '127.0.0.1:2587',
    submissions: '127.0.0.1:2465',
    lmtp: '127.0.0.1:2424',
    imap: '127.0.0.1:2143',
    imaps: '127.0.0.1:2993',
    http: '127.0.0.1:8980',
    https: '127.0.0.1:8943',
  },
}

type Environment = Readonly<Record<string, string | undefined>>
type Tree = { [key: string]: unknown }

/**
 * Reads `file`; absent: `./posthorn.yaml` when it exists, else the embedded default. Throws ConfigError.
 * Relative paths are taken from the file's folder, or from `cwd` without a file.
 */
export function loadConfig(file: string | undefined, environment: Environment, cwd = process.cwd()): Config {
  const given = file ?? environment['POSTHORN_CONFIG']
  const path = resolve(cwd, given ?? 'posthorn.yaml')
  const text = readText(path, given !== undefined)
  if (text === undefined) return checkConfig(embeddedDefault, environment, cwd, undefined)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const broken = document.errors.map(
    (error) => `${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split(' at line ')[0]}`,
  )
  if (broken.length > 0) throw new ConfigError(broken)
  return checkConfig(document.toJS() ?? {}, environment, dirname(path), { path, document, lines })
}

interface Source {
  readonly path: string
  readonly document: Document
  readonly lines: LineCounter
}

/** Checks a configuration that is already a value; `folder` is where relative paths start. Throws ConfigError. */
export function checkConfig(value: unknown, environment: Environment, folder: string, source?: Source): Config {
  const { tree, from, errors } = overlay(value, environment)
  const result = schema.safeParse(tree)
  if (!result.success) {
    for (const issue of result.error.issues) errors.push(...explain(issue, tree, from, source))
  }
  if (errors.length > 0 || !result.success) throw new ConfigError(errors)
  return settle(result.data, folder, source?.path)
}

/** Paths made absolute, secrets read, names filled in. */
function settle(found: FileConfig, folder: string, path: string | undefined): Config {
  const secret = (value: string | { file: string }, key: string): string => {
    if (typeof value === 'string') return value
    try {
      return readFileSync(resolve(folder, value.file), 'utf8').trimEnd()
    } catch (error) {
      throw new ConfigError([`${path ?? 'environment'}: ${key}: cannot read ${value.file}: ${systemWords(error)}`])
    }
  }
  const store = secret(found.store, 'store')
  if (!isStore(store))
    throw new ConfigError([
      `${path ?? 'environment'}: store: expected sqlite or a postgres:// URL, found ${mask(store)}`,
    ])
  const routes = Object.entries(found.queue.routes).map(([domain, route]) => [
    domain.toLowerCase(),
    secret(route, `queue.routes.${domain}`),
  ])
  const { password, ...rspamd } = found.filters.rspamd
  const secured = password === undefined ? rspamd : { ...rspamd, password: secret(password, 'filters.rspamd.password') }
  return {
    ...found,
    hostname: (found.hostname ?? machineName()).toLowerCase(),
    data: resolve(folder, found.data),
    store,
    blobs: found.blobs === undefined ? undefined : resolve(folder, found.blobs),
    tls: found.tls && { cert: resolve(folder, found.tls.cert), key: resolve(folder, found.tls.key) },
    egress: { ...found.egress, ca: found.egress.ca === undefined ? undefined : resolve(folder, found.egress.ca) },
    certificates: found.certificates.map(({ cert, key }) => ({
      cert: resolve(folder, cert),
      key: resolve(folder, key),
    })),
    acme: settleAcme(found.acme, folder, secret),
    queue: { ...found.queue, routes: Object.fromEntries(routes) },
    filters: { ...found.filters, rspamd: secured },
    source: path ?? 'the embedded default',
    embedded: path === undefined,
  }
}

function settleAcme(
  { dns, eab, ca, ...rest }: FileAcme,
  folder: string,
  secret: (value: string | { file: string }, key: string) => string,
): AcmeConfig {
  const { keySecret, token, ...plain } = dns ?? {}
  return {
    ...rest,
    ...(ca !== undefined && { ca: resolve(folder, ca) }),
    ...(eab && { eab: { kid: eab.kid, hmac: secret(eab.hmac, 'acme.eab.hmac') } }),
    ...(dns && {
      dns: {
        ...(plain as typeof dns),
        ...(keySecret !== undefined && { keySecret: secret(keySecret, 'acme.dns.keySecret') }),
        ...(token !== undefined && { token: secret(token, 'acme.dns.token') }),
      } as NonNullable<AcmeConfig['dns']>,
    }),
  } as AcmeConfig
}

function readText(path: string, mustExist: boolean): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (!mustExist && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ConfigError([`${path}: cannot read the configuration: ${systemWords(error)}`])
  }
}

/** `POSTHORN_LISTEN__SMTP=…` laid over the file's tree; values are YAML, keys may be in any case. */
function overlay(value: unknown, environment: Environment) {
  const tree = withoutNulls(structuredClone(value)) as Tree
  const from = new Map<string, string>()
  const errors: string[] = []
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('POSTHORN_') || text === undefined || ownVariables.has(name)) continue
    const keys = nameKeys(name.slice('POSTHORN_'.length).split('__'))
    if (!keys) errors.push(`environment: ${name}: there is no such key`)
    else if (isTree(tree)) {
      let at: Tree = tree
      for (const key of keys.slice(0, -1)) at = (isTree(at[key]) ? at[key] : (at[key] = {})) as Tree
      at[keys.at(-1)!] = readScalar(text)
      from.set(keys.join('.'), name)
    }
  }
  return { tree, from, errors }
}

/** A key with nothing behind it is absent. */
function withoutNulls(value: unknown): unknown {
  if (!isTree(value)) return value
  const kept = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner)]))
}

/** Variables that are not keys: where the file is, and what tests use. */
const ownVariables: ReadonlySet<string> = new Set(['POSTHORN_CONFIG', 'POSTHORN_TEST_FAULT', 'POSTHORN_FULL'])

function readScalar(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return text
  }
}

/** Environment words as the schema's keys: LISTEN, SMTP → listen, smtp; below a free table the word is lower case. */
function nameKeys(words: readonly string[]): string[] | undefined {
  const keys: string[] = []
  let at: z.ZodType = schema
  for (const word of words) {
    const inner = unwrap(at)
    if (inner instanceof z.ZodRecord) {
      keys.push(word.toLowerCase())
      at = inner.valueType as z.ZodType
      continue
    }
    const plain = word.replaceAll('_', '').toLowerCase()
    const key = shapeOf(at) && Object.keys(shapeOf(at)!).find((name) => name.toLowerCase() === plain)
    if (!key) return undefined
    keys.push(key)
    at = shapeOf(at)![key]!
  }
  return keys
}

type Issue = z.core.$ZodIssue

/** One line for each thing that is wrong. */
function explain(issue: Issue, tree: unknown, from: ReadonlyMap<string, string>, source: Source | undefined): string[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(shapeOf(schemaAt(path).schema) ?? {})
    return issue.keys.map((key) => {
      const hint = nearest(key, known)
      const help = hint ? `did you mean ${hint}?` : `known here: ${known.join(', ')}`
      return `${place([...path, key], from, source)}: ${[...path, key].join('.')}: unknown key, ${help}`
    })
  }
  const { note, depth } = schemaAt(path)
  const key = path.slice(0, depth)
  const found = valueAt(tree, path)
  const expected = note?.expected ?? 'a table of keys'
  const what = found === undefined ? 'nothing' : mask(JSON.stringify(found, withoutSecrets))
  return [`${place(key, from, source)}: ${key.join('.') || 'the file'}: expected ${expected}, found ${what}`]
}

function place(path: readonly string[], from: ReadonlyMap<string, string>, source: Source | undefined): string {
  const variable = from.get(path.join('.'))
  if (variable) return `environment: ${variable}`
  if (!source) return 'configuration'
  for (let n = path.length; n >= 0; n--) {
    const offset = keyOffset(source.document, path.slice(0, n))
    if (offset !== undefined) return `${source.path}:${source.lines.linePos(offset).line}`
  }
  return source.path
}

/** Where the key of `path` begins in the file. */
function keyOffset(document: Document, path: readonly string[]): number | undefined {
  const parent = path.length <= 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  const items = (parent as { items?: { key?: { value?: unknown; range?: number[] } }[] } | null)?.items
  return items?.find((pair) => String(pair.key?.value) === path.at(-1))?.key?.range?.[0]
}

/** The schema at a path, and the deepest note on the way with the depth it stands at. */
function schemaAt(path: readonly string[]): { schema: z.ZodType; note: Note | undefined; depth: number } {
  let at: z.ZodType = schema
  let note: Note | undefined
  let depth = 0
  for (const [i, key] of path.entries()) {
    const next = shapeOf(at)?.[key]
    if (!next) break
    at = next
    if (notes.has(at)) {
      note = notes.get(at)
      depth = i + 1
    }
  }
  return { schema: at, note, depth }
}

/** The schema inside optional, default and the like. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let at = schema
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault)
    at = at.unwrap() as z.ZodType
  return at
}

/** The keys of a table, or undefined for anything else. */
export function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? (inner.shape as Record<string, z.ZodType>) : undefined
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

function valueAt(tree: unknown, path: readonly string[]): unknown {
  let at = tree
  for (const key of path) at = (at as Tree | undefined)?.[key]
  return at
}

/** Values of these keys are not repeated. */
const secretKeys: ReadonlySet<string> = new Set(['keySecret', 'token', 'hmac'])
const withoutSecrets = (key: string, value: unknown) => (secretKeys.has(key) ? '…' : value)

/** Passwords in URLs and routes are not repeated. */
function mask(text: string): string {
  return text.replace(/(\/\/|")?([^\s:/@"]+):[^@\s"]+@/g, '$1$2:…@')
}

/** The nearest of the known words, if it is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known.map((one) => ({ one, far: distance(word.toLowerCase(), one.toLowerCase()) }))
  const best = ranked.sort((a, b) => a.far - b.far)[0]
  return best && best.far <= Math.max(1, Math.floor(best.one.length / 3)) ? best.one : undefined
}

/** Edits between two words; a swap of neighbours counts one. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      rows[i]![j] = best
    }
  return rows[a.length]![b.length]!
}
