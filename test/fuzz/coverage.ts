// Which lines of given files ran, by V8's precise coverage of this thread.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { Session } from 'node:inspector'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface FileCoverage {
  readonly file: string
  readonly lines: number
  readonly covered: number
  /** Numbers of lines that did not run. */
  readonly missed: readonly number[]
}

interface ScriptCoverage {
  readonly url: string
  readonly functions: readonly {
    readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[]
  }[]
}

/** Starts to count; call before the files are imported. The returned function tells the result. */
export function startCoverage(): (root: string, paths: readonly string[]) => FileCoverage[] {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return (root, paths) => {
    let scripts: readonly ScriptCoverage[] = []
    session.post('Profiler.takePreciseCoverage', (_error, answer) => {
      scripts = answer.result
    })
    session.disconnect()
    return paths.flatMap((path) => sourceFiles(root, path)).map((file) => coverFile(root, file, scripts))
  }
}

function sourceFiles(root: string, path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path]
  return readdirSync(join(root, path))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => `${path}/${name}`)
}

function coverFile(root: string, file: string, scripts: readonly ScriptCoverage[]): FileCoverage {
  const source = stripTypeScriptTypes(readFileSync(join(root, file), 'utf8'))
  const url = pathToFileURL(join(root, file)).href
  const script = scripts.find((one) => one.url === url)
  const ran = new Uint8Array(source.length).fill(script ? 1 : 0)
  // Ranges nest: an inner range says better.
  const ranges = (script?.functions ?? []).flatMap((fn) => fn.ranges)
  ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset)
  for (const { startOffset, endOffset, count } of ranges) ran.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  const missed: number[] = []
  let lines = 0
  let offset = 0
  for (const [i, line] of source.split('\n').entries()) {
    if (isCode(line.trim())) {
      lines++
      if (!ran[offset + line.length - line.trimStart().length]) missed.push(i + 1)
    }
    offset += line.length + 1
  }
  return { file, lines, covered: lines - missed.length, missed }
}

/** Comments, lone brackets and imports are no lines that run. */
function isCode(line: string): boolean {
  if (['//', '/*', '*', 'import ', 'export *', 'export {'].some((start) => line.startsWith(start))) return false
  return [...line].some((char) => !'{}[]();, '.includes(char))
}
