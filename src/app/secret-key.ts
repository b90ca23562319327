// The key that seals secrets in the store: a file of the data folder, made at the first start. Nodes on one PostgreSQL share a copy of it.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createSealer, type Sealer, sealingKeyLength } from '../base/index.ts'
import { ConfigError } from './config/error.ts'
import { systemWords } from './system-words.ts'

const fileName = 'secret.key'

/** Throws ConfigError when the file holds no key, or cannot be read or made. */
export function openSealer(data: string): Sealer {
  const path = join(data, fileName)
  const text = readOrMake(data, path)
  const key = Buffer.from(text, 'hex')
  if (key.length !== sealingKeyLength || text.length !== 2 * sealingKeyLength)
    throw new ConfigError([
      `${path}: expected ${2 * sealingKeyLength} hexadecimal digits; take the file back from a backup`,
    ])
  return createSealer(key)
}

function readOrMake(data: string, path: string): string {
  try {
    return read(path) ?? make(data, path)
  } catch (error) {
    throw new ConfigError([`${path}: ${systemWords(error)}`])
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole under its name, and on stable storage with it, before anything is sealed; of two that make one at once the first stays. */
function make(data: string, path: string): string {
  const text = randomBytes(sealingKeyLength).toString('hex')
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  try {
    syncAndClose(openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600), `${text}\n`)
    linkSync(draft, path)
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error
  } finally {
    unlinkQuietly(draft)
  }
  syncAndClose(openSync(data, constants.O_RDONLY))
  return readFileSync(path, 'utf8').trim()
}

function syncAndClose(file: number, text?: string): void {
  try {
    if (text !== undefined) writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was not made: what hindered it is told already.
  }
}
