// offlineimap of Debian with one account, as a person would have it.

import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Installation, run } from '../server.ts'

export interface OfflineImapSetup {
  readonly user: string
  readonly password: string
  readonly connections: number
  /** Further lines of the remote repository's section. */
  readonly more?: string
}

/** Its configuration and Maildir in the server's folder. `sync` fails on any error that it prints; `files` are the paths of a mailbox's messages. */
export async function offlineimap(server: Installation, { user, password, connections, more = '' }: OfflineImapSetup) {
  const home = join(server.folder, 'offlineimap')
  await mkdir(home)
  const config = join(home, 'rc')
  await writeFile(
    config,
    `[general]
accounts = posthorn
metadata = ${home}/metadata
ui = basic
fsync = False
[Account posthorn]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = ${home}/mail
sep = /
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = ${server.ports.imap}
remoteuser = ${user}
remotepass = ${password}
ssl = no
starttls = no
auth_mechanisms = PLAIN
maxconnections = ${connections}
${more}
`,
  )
  const sync = async () => {
    const ran = await run('offlineimap', ['-c', config, '-o'], { timeoutMs: 120_000, env: { HOME: home } })
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    assert.doesNotMatch(ran.stdout + ran.stderr, /ERROR|Traceback/)
  }
  const files = async (mailbox: string) => {
    const found: string[] = []
    for (const folder of ['cur', 'new'])
      for (const name of await readdir(join(home, 'mail', mailbox, folder)))
        found.push(join(home, 'mail', mailbox, folder, name))
    return found.sort()
  }
  return { home, sync, files }
}
