// Debian's Dovecot without a daemon: its imap process on a pipe, signed in from the start, with an INBOX of its own.

import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImapTalk } from './answers.ts'

const DOVECOT = '/usr/lib/dovecot/imap'

/** Dovecot serves no mail as root. */
const NOBODY = 65534
const isRoot = process.getuid?.() === 0

/** A session on an empty INBOX; process and folder go with the test. */
export async function openDovecot(t: { after(fn: () => Promise<void>): void }): Promise<ImapTalk> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-dovecot-'))
  await mkdir(join(folder, 'base'))
  await mkdir(join(folder, 'mail'))
  const config = join(folder, 'dovecot.conf')
  await writeFile(
    config,
    `base_dir = ${folder}/base
log_path = ${folder}/mail/log
ssl = no
first_valid_uid = 1
mail_fsync = never
mail_location = sdbox:${folder}/mail/box
mail_save_crlf = yes
namespace inbox {
  inbox = yes
  separator = /
}
`,
  )
  await chmod(folder, 0o755)
  if (isRoot) for (const name of ['base', 'mail']) await chown(join(folder, name), NOBODY, NOBODY)
  const child = spawn(DOVECOT, [], {
    env: { PATH: process.env['PATH'], CONFIG_FILE: config, HOME: join(folder, 'mail'), USER: 'ada' },
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  })
  t.after(async () => {
    await ended(child)
    await rm(folder, { recursive: true, force: true })
  })
  return new ImapTalk({ readable: child.stdout!, writable: child.stdin! })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((done) => child.once('close', done))
  child.kill()
  await closed
}

/** Dovecot's LMTP server on a local socket and on a port; everybody has a mailbox. Only root can start it. */
export async function dovecotLmtp(t: { after(fn: () => Promise<void>): void }, port: number) {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-lmtp-'))
  await mkdir(join(folder, 'mail'))
  const config = join(folder, 'dovecot.conf')
  await writeFile(
    config,
    `base_dir = ${folder}/base
log_path = ${folder}/log
ssl = no
protocols = lmtp
first_valid_uid = 1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_fsync = never
mail_location = maildir:${folder}/mail/%u
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=${NOBODY} gid=${NOBODY} home=${folder}/mail/%u allow_all_users=yes
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
`,
  )
  await chmod(folder, 0o755)
  await chown(join(folder, 'mail'), NOBODY, NOBODY)
  const child = spawn('/usr/sbin/dovecot', ['-F', '-c', config], { stdio: 'ignore' })
  t.after(async () => {
    await ended(child)
    await rm(folder, { recursive: true, force: true })
  })
  return {
    socket: join(folder, 'base', 'lmtp'),
    /** Messages in the INBOX of this address. */
    async messages(address: string): Promise<Buffer[]> {
      const box = join(folder, 'mail', address, 'new')
      const names = await readdir(box).catch(() => [])
      return Promise.all(names.map((name) => readFile(join(box, name))))
    },
  }
}
