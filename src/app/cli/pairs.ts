// KEY=VALUE on a command line: what is given, and the help that explains each key. Knows no key.

import { CommandError } from './output.ts'

/** Reads each pair with `parse`. CommandError when there is no equals sign; what `parse` throws otherwise. */
export function parsePairs<T>(pairs: readonly string[], parse: (key: string, value: string) => T): T[] {
  return pairs.map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw new CommandError(`expected KEY=VALUE, found ${pair}`)
    return parse(pair.slice(0, at), pair.slice(at + 1))
  })
}

/** For the end of a command's help: one line for each key. */
export function explainKeys(
  table: Readonly<Record<string, { readonly explain: string; readonly standard: string }>>,
): string {
  const width = Math.max(...Object.keys(table).map((key) => key.length))
  const lines = Object.entries(table).map(
    ([key, { explain, standard }]) => `  ${key.padEnd(width)} ${explain} (default: ${standard})`,
  )
  return `\nSettings:\n${lines.join('\n')}`
}
