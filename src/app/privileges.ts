// Started as root with `user` configured: works as that user from the beginning, is root again only while ports are bound,
// and then never more. Process-wide: the C library changes every thread.

import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Fault } from '../base/index.ts'

// In Node, not yet in its types.
const { initgroups } = process as { initgroups?: (user: string, group: number) => void }

export interface Privileges {
  /** Root, to bind ports. */
  raise(): void
  /** The user, for good. */
  drop(): void
}

/** Undefined when there is nothing to give up. Fault `invalid` when the user is unknown or may not read this installation. */
export function takePrivileges(user: string | undefined, data: string): Privileges | undefined {
  if (user === undefined || process.getuid?.() !== 0) return undefined
  const { uid, gid, name } = findUser(user)
  mkdirSync(data, { recursive: true, mode: 0o700 })
  chownSync(data, uid, gid)
  initgroups?.(name, gid)
  process.setegid!(gid)
  process.seteuid!(uid)
  checkReadable(user)
  return {
    raise() {
      process.seteuid!(0)
    },
    drop() {
      process.seteuid!(0)
      process.setgid!(gid)
      process.setuid!(uid)
    },
  }
}

/** Modules are still loaded when root is gone: one cannot be read from below a home that is closed. */
function checkReadable(user: string): void {
  try {
    readFileSync(import.meta.filename)
  } catch {
    // To say so, modules are needed.
    process.seteuid!(0)
    const home = resolve(import.meta.dirname, '../..')
    throw new Fault(
      'invalid',
      `user: ${user} may not read ${home}: open it to others, or install elsewhere, such as /srv`,
    )
  }
}

function findUser(user: string): { name: string; uid: number; gid: number } {
  const line = passwdLines(user).find((fields) => fields[0] === user || fields[2] === user)
  if (!line) throw new Fault('invalid', `user: there is no user ${user} on this machine`)
  return { name: line[0]!, uid: Number(line[2]), gid: Number(line[3]) }
}

/** getent knows users of directories too; without it the file. */
function passwdLines(user: string): string[][] {
  let text: string
  try {
    text = execFileSync('getent', ['passwd', user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    text = readFileSync('/etc/passwd', 'utf8')
  }
  return text.split('\n').map((line) => line.split(':'))
}
