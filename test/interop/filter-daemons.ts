// Debian's filters, each started by hand on ports and in a folder of its own: clamd, spamd, rspamd, opendkim.

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../server.ts'

export interface RunningDaemon {
  readonly port: number
  readonly folder: string
  /** What it said. */
  output(): string
  stop(): Promise<void>
}

/** The test virus of all scanners, which is none: in pieces, so that no scanner finds it in this file. */
export const eicar = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', 'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('-')
/** The test spam of SpamAssassin and Rspamd. */
export const gtube = ['XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE', 'STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'].join('-')
/** What our own signature finds. */
export const marker = 'posthorn-test-marker'
/** Bytes that this clamd takes of a message. */
export const clamdLimit = 1_048_576

/** clamd with two signatures: EICAR by its hash, our marker by its bytes. Also listens on `clamd.sock` in its folder. */
export async function startClamd(): Promise<RunningDaemon> {
  return start('clamd', 1, async (folder, port) => {
    const hash = createHash('md5').update(eicar).digest('hex')
    await mkdir(join(folder, 'db'))
    await writeFile(join(folder, 'db', 'test.hdb'), `${hash}:${eicar.length}:Eicar-Signature\n`)
    await writeFile(
      join(folder, 'db', 'test.ndb'),
      `Posthorn.Test:0:*:${Buffer.from(marker).toString('hex')}\nPosthorn.Eicar:0:*:${Buffer.from(eicar).toString('hex')}\n`,
    )
    const config = [
      `DatabaseDirectory ${join(folder, 'db')}`,
      `LocalSocket ${join(folder, 'clamd.sock')}`,
      `TCPSocket ${port}`,
      'TCPAddr 127.0.0.1',
      `StreamMaxLength ${clamdLimit}`,
      'MaxThreads 4',
      'Foreground yes',
    ]
    await writeFile(join(folder, 'clamd.conf'), `${config.join('\n')}\n`)
    return ['/usr/sbin/clamd', '-c', join(folder, 'clamd.conf')]
  })
}

/** spamd with Debian's rules, without network, with Bayes of its own. */
export async function startSpamd(): Promise<RunningDaemon> {
  return start('spamd', 1, async (folder, port) => {
    const config = [
      `bayes_path ${join(folder, 'bayes')}`,
      'bayes_file_mode 0777',
      'bayes_auto_learn 0',
      'bayes_min_ham_num 1',
      'bayes_min_spam_num 1',
      'dns_available no',
    ]
    await mkdir(join(folder, 'site'))
    const plugins = ['Check', 'Bayes', 'BodyEval', 'HeaderEval', 'HTMLEval', 'MIMEEval', 'RelayEval', 'URIEval']
    const load = plugins.map((name) => `loadplugin Mail::SpamAssassin::Plugin::${name}\n`)
    await writeFile(join(folder, 'site', 'init.pre'), load.join(''))
    await writeFile(join(folder, 'site', 'local.cf'), `${config.join('\n')}\n`)
    const args = ['-L', '-x', '-i', '127.0.0.1', '-p', String(port), '--allow-tell', '-m', '2', '--min-children=1']
    return ['/usr/sbin/spamd', ...args, `--siteconfigpath=${join(folder, 'site')}`, '-s', 'stderr']
  })
}

/** Rspamd with Debian's rules, without network and Redis: Bayes in SQLite. The controller listens one port above; its password is `secret`. */
export async function startRspamd(): Promise<RunningDaemon & { readonly controller: number }> {
  const [controller] = await freePorts(1)
  const daemon = await start('rspamd', 1, async (folder, port) => {
    await mkdir(join(folder, 'local', 'local.d'), { recursive: true })
    // All suffixes of the world take ten seconds to compile.
    await writeFile(join(folder, 'suffixes'), 'test\ncom\n')
    await writeFile(
      join(folder, 'rspamd.conf'),
      `.include "$CONFDIR/common.conf"
      options {
        .include "$CONFDIR/options.inc"
        .include(priority=1,duplicate=merge) "$LOCAL_CONFDIR/local.d/options.inc"
      }
      logging { type = "console"; level = "info"; color = false; }
      worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
      worker "controller" { bind_socket = "127.0.0.1:${controller}"; count = 1; password = "secret"; secure_ip = []; }\n`,
    )
    await writeFile(
      join(folder, 'local', 'local.d', 'options.inc'),
      `pidfile = "${folder}/rspamd.pid";
      control_socket = "${folder}/control.sock mode=0600";
      url_tld = "${folder}/suffixes";
      dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
      filters = "chartable,regexp";\n`,
    )
    await writeFile(
      join(folder, 'local', 'local.d', 'classifier-bayes.conf'),
      `backend = "sqlite3"; min_learns = 1;
      statfile { symbol = "BAYES_HAM"; spam = false; path = "${folder}/ham.sqlite"; }
      statfile { symbol = "BAYES_SPAM"; spam = true; path = "${folder}/spam.sqlite"; }
      cache { type = "sqlite3"; path = "${folder}/learned.sqlite"; }\n`,
    )
    const folders = { DBDIR: folder, RUNDIR: folder, LOGDIR: folder, LOCAL_CONFDIR: join(folder, 'local') }
    const vars = Object.entries(folders).map(([name, value]) => `--var=${name}=${value}`)
    return ['/usr/bin/rspamd', '-f', '--insecure', '-c', join(folder, 'rspamd.conf'), ...vars]
  })
  await listens(controller!, () => false)
  return { ...daemon, controller: controller! }
}

/** opendkim, which verifies with these keys: name and TXT record; and signs for `here.test` with a key, PEM, who signed in. */
export async function startOpendkim(
  records: Readonly<Record<string, string>>,
  signingKey?: string,
): Promise<RunningDaemon> {
  return start('opendkim', 1, async (folder, port) => {
    const lines = Object.entries(records).map(([name, record]) => `${name} ${record}\n`)
    await writeFile(join(folder, 'records'), lines.join(''))
    const config = [
      `Mode ${signingKey === undefined ? 'v' : 'sv'}`,
      ...(signingKey === undefined
        ? []
        : [`KeyFile ${join(folder, 'key.pem')}`, 'Domain here.test', 'Selector milter', 'RequireSafeKeys no']),
      `Socket inet:${port}@127.0.0.1`,
      'Syslog no',
      'Background no',
      'AuthservID filter.test',
      'AlwaysAddARHeader yes',
      `TestDNSData file:${join(folder, 'records')}`,
    ]
    if (signingKey !== undefined) await writeFile(join(folder, 'key.pem'), signingKey, { mode: 0o600 })
    await writeFile(join(folder, 'opendkim.conf'), `${config.join('\n')}\n`)
    return ['/usr/sbin/opendkim', '-f', '-x', join(folder, 'opendkim.conf')]
  })
}

async function start(
  name: string,
  ports: number,
  prepare: (folder: string, port: number) => Promise<string[]>,
): Promise<RunningDaemon> {
  const folder = await mkdtemp(join(tmpdir(), `posthorn-${name}-`))
  // Some of them become another user when root starts them.
  await chmod(folder, 0o777)
  const [port] = await freePorts(ports)
  const [command, ...args] = await prepare(folder, port!)
  // A group of its own, so that its children end with it.
  const child = spawn(command!, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let over = false
  void ended.then(() => (over = true))
  const daemon = { port: port!, folder, output: () => output, stop: () => stop(child, ended, folder) }
  try {
    await listens(port!, () => over)
  } catch {
    await daemon.stop()
    throw new Error(`${name} did not start:\n${output.slice(-4_000)}`)
  }
  return daemon
}

async function stop(child: ChildProcess, ended: Promise<void>, folder: string): Promise<void> {
  try {
    process.kill(-child.pid!, 'SIGKILL')
  } catch {
    // It has ended.
  }
  await ended
  await rm(folder, { recursive: true, force: true })
}

async function listens(port: number, over: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await isOpen(port))) {
    if (over() || Date.now() > deadline) throw new Error(`nobody listens on ${port}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => done(false))
  })
}
