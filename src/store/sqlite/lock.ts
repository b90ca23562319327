// Exactly one process writes a data folder. The lock is held on a file of its own, for POSIX locks of a file are lost
// when the process closes any descriptor of it. It ends with the process, however that ends.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Fault } from '../../base/index.ts'

/** Takes the lock of the folder or throws Fault `in-use`; the result gives it back. */
export function lockFolder(data: string): () => void {
  const pidFile = join(data, 'posthorn.pid')
  const holder = new DatabaseSync(join(data, 'posthorn.lock'))
  try {
    holder.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    holder.close()
    if ((error as { errcode?: number }).errcode !== 5) throw error
    throw new Fault('in-use', `the data folder ${data} is in use by ${readHolder(pidFile)}`)
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return () => {
    rmSync(pidFile, { force: true })
    holder.close()
  }
}

function readHolder(pidFile: string): string {
  try {
    return `process ${readFileSync(pidFile, 'utf8').trim()}`
  } catch {
    return 'another process'
  }
}
