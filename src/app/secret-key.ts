// The key that seals secrets in the store: a file of the data folder, made at the first start. Nodes on one PostgreSQL share a copy of it.

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
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

/** Whole under its name, and on stable storage with it, before anything is sealed. Who makes it holds the lock of the store. */
function make(data: string, path: string): string {
  const text = randomBytes(sealingKeyLength).toString('hex')
  const draft = `${path}.new`
  writeFileSync(draft, `${text}\n`, { mode: 0o600, flush: true })
  renameSync(draft, path)
  const folder = openSync(data, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
  return text
}
