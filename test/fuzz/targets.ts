// Finds the targets: every file of `targets/` that exports `target`.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Target } from './engine.ts'

export const projectFolder = resolve(import.meta.dirname, '../..')
const folder = join(import.meta.dirname, 'targets')

/** Names of all targets: `smtp-wire` is the file `targets/smtp-wire.ts`. */
export function targetNames(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -3))
}

export async function loadTarget(name: string): Promise<Target> {
  const { target } = (await import(pathToFileURL(join(folder, `${name}.ts`)).href)) as { target: Target }
  return target
}

export const corpusFolder = (name: string): string => join(projectFolder, 'test/corpus', name)

/** Files of a corpus folder whose name passes `wanted`. */
export function readCorpus(name: string, wanted: (file: string) => boolean): Buffer[] {
  const from = corpusFolder(name)
  if (!existsSync(from)) return []
  return readdirSync(from)
    .filter(wanted)
    .map((file) => readFileSync(join(from, file)))
}

/** Inputs that once broke the target. */
export const crashes = (name: string): Buffer[] => readCorpus(name, (file) => file.startsWith('crash-'))
