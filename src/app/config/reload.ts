// What of a changed configuration takes effect while the server runs: the keys that the schema marks. Applies nothing itself.

import { keys } from './document.ts'
import type { Config } from './load.ts'

export interface TakenOver {
  /** As `before`, with the new values of the keys that may change. */
  readonly config: Config
  /** Keys whose new value is in `config`. */
  readonly changed: readonly string[]
  /** Keys whose new value waits for a restart. */
  readonly waiting: readonly string[]
}

type Tree = { [key: string]: unknown }

/** The configuration of a running server, made of the one it works with and the one that was read. Names are `key` or `table.key`. */
export function takeOver(before: Config, next: Config): TakenOver {
  const reloads = new Map(keys().map(({ path, note }) => [path.join('.'), note.reload === true]))
  const config = structuredClone(before) as Tree
  const different = changedKeys(before, next).filter((key) => reloads.has(key))
  const changed = different.filter((key) => reloads.get(key))
  for (const key of changed) {
    const [table = '', inner] = key.split('.')
    if (inner === undefined) config[table] = (next as Tree)[table]
    else (config[table] as Tree)[inner] = ((next as Tree)[table] as Tree)[inner]
  }
  return { config: config as Config, changed, waiting: different.filter((key) => !reloads.get(key)) }
}

/** Keys of the first level, or `table.key`, in which two configurations differ. */
function changedKeys(before: object, after: object, prefix = ''): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].flatMap((key) => {
    const [one, other] = [(before as Tree)[key], (after as Tree)[key]]
    if (JSON.stringify(one) === JSON.stringify(other)) return []
    const tables = [one, other].every((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
    return tables && prefix === '' ? changedKeys(one as object, other as object, `${key}.`) : [prefix + key]
  })
}
