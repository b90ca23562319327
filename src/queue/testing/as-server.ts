// What is measured shall be what runs: a script takes on the flags and the memory settings with which bin/posthorn starts the server.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Begins the script again with them in place of this process, unless it has them. */
export function becomeAsServer(): void {
  if (globalThis.gc) return
  const { flags, env } = readSettings()
  process.execve!(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)], { ...process.env, ...env })
}

/** Throws when bin/posthorn does not look as it did. */
function readSettings(): { readonly flags: readonly string[]; readonly env: Record<string, string> } {
  const launcher = readFileSync(join(import.meta.dirname, '../../../bin/posthorn'), 'utf8')
  const flags = /^exec "\$node" (--\S+(?: --\S+)*) "/m.exec(launcher)?.[1]?.split(' ')
  if (!flags?.includes('--expose-gc')) throw new Error('bin/posthorn: where are the flags of node?')
  const env = launcher.matchAll(/^(MALLOC_\w+)=\$\{\1:-(\d+)\}$/gm).map(([, name, value]) => [name, value])
  return { flags, env: Object.fromEntries(env) }
}
