// The key that seals secrets in the store: a file of the data folder, made at the first start. Nodes on one PostgreSQL share a copy of it.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createSealer, type Sealer, sealingKeyLength } from '../base/index.ts'
import { ConfigError } from './config/error.ts'

const fileName = 'secret.key'

/** Throws ConfigError when the file holds no key. */
export function openSealer(data: string): Sealer {
  const path = join(data, fileName)
  const text = read(path) ?? make(path)
  const key = Buffer.from(text, 'hex')
  if (key.length !== sealingKeyLength || text.length !== 2 * sealingKeyLength)
    throw new ConfigError([
      `${path}: expected ${2 * sealingKeyLength} hexadecimal digits; take the file back from a backup`,
    ])
  return createSealer(key)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

/** On stable storage before anything is sealed with it. */
function make(path: string): string {
  const text = randomBytes(sealingKeyLength).toString('hex')
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    writeSync(file, `${text}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  return text
}
