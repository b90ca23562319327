// Which Posthorn this is.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The version that package.json names. */
export function version(): string {
  const manifest = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
