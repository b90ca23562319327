// What is measured shall be what runs: a script takes on the memory settings with which bin/posthorn starts the server, and V8's flags of
// there and of src/app/heap.ts.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Begins the script again with them in place of this process, unless it has them. */
export function becomeAsServer(): void {
  if (globalThis.gc) return
  const { flags, env } = readSettings()
  process.execve!(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)], { ...process.env, ...env })
}

/** Throws when they do not look as they did. */
function readSettings(): { readonly flags: readonly string[]; readonly env: Record<string, string> } {
  const read = (path: string) => readFileSync(join(import.meta.dirname, '../../..', path), 'utf8')
  const launcher = read('bin/posthorn')
  const first = /^exec "\$node" (--\S+(?: --\S+)*) "/m.exec(launcher)?.[1]?.split(' ')
  if (!first) throw new Error('bin/posthorn: where are the flags of node?')
  const later = [...read('src/app/heap.ts').matchAll(/setFlagsFromString\('(--\S+)'\)/g)].map(([, flag]) => flag!)
  if (!later.includes('--expose-gc')) throw new Error('src/app/heap.ts: where are the flags of V8?')
  const env = launcher.matchAll(/^(MALLOC_\w+)=\$\{\1:-(\d+)\}$/gm).map(([, name, value]) => [name, value])
  return { flags: [...first, ...later], env: Object.fromEntries(env) }
}
