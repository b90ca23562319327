// Makes a fresh clone runnable: installs what the lock file names, and what the pinned Node or the tests need of Debian.
// Plain JavaScript for any Node ≥ 18. Does nothing, quickly, when everything is there.
//   node scripts/prepare.mjs            before `npm start`
//   node scripts/prepare.mjs --test     before `npm test`: also the programs that tests run, when root on Debian

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { apt, hasProgram, installMissing, isRoot } from './debian.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const node = join(root, 'node_modules', '.bin', 'node')

/** What tests run: a program, a path or, with `*`, a pattern of paths; the Debian package of each; the tests that need it. */
const testPrograms = [
  ['/usr/lib/postgresql', 'postgresql', 'store tests on PostgreSQL'],
  ['swaks', 'swaks', 'interop with swaks'],
  ['/usr/lib/*/perl5/*/Net/SSLeay.pm', 'libnet-ssleay-perl', 'interop with swaks over TLS'],
  ['smtp-source', 'postfix', 'interop with smtp-source and smtp-sink'],
  ['/usr/lib/dovecot/imap', 'dovecot-imapd', 'comparison with Dovecot'],
  ['/usr/lib/dovecot/lmtp', 'dovecot-lmtpd', 'LMTP to Dovecot'],
  ['offlineimap', 'offlineimap3', 'interop with offlineimap'],
  ['neomutt', 'neomutt', 'interop with neomutt'],
  ['mbsync', 'isync', 'interop with mbsync'],
  ['/usr/lib/*/sasl2/libplain.so*', 'libsasl2-modules', 'interop with mbsync'],
  ['curl', 'curl', 'interop with curl'],
  ['fetchmail', 'fetchmail', 'interop with fetchmail'],
  ['getmail', 'getmail6', 'interop with getmail'],
  ['mpop', 'mpop', 'interop with mpop'],
  ['haproxy', 'haproxy', 'interop with HAProxy'],
  ['gsasl', 'gsasl', 'interop with GNU SASL'],
  ['/usr/lib/*/faketime/libfaketimeMT.so.1', 'libfaketime', 'jumps of the clock'],
  ['xmllint', 'libxml2-utils', 'the schema of DMARC reports'],
  ['pebble', 'pebble', 'certificates from an authority'],
  ['knotd', 'knot', 'updates of a zone, and signed zones for DANE'],
  ['kdig', 'knot-dnsutils', 'updates of a zone'],
  ['openssl', 'openssl', 'interop with openssl s_client'],
  ['gcc', 'gcc', 'the power cut of the store'],
  ['/usr/include/stdio.h', 'libc6-dev', 'the power cut of the store'],
  ['python3', 'python3', "interop with Python's imaplib"],
  ['/usr/lib/python3/dist-packages/dkim', 'python3-dkim', 'DKIM, verified by python3-dkim'],
  ['opendkim-testmsg', 'opendkim-tools', 'DKIM with opendkim'],
  ['clamd', 'clamav-daemon', 'interop with ClamAV'],
  ['spamd', 'spamd', 'interop with SpamAssassin'],
  ['rspamd', 'rspamd', 'interop with Rspamd'],
  ['opendkim', 'opendkim', 'interop with opendkim as a milter'],
  ['unbound', 'unbound', 'DANE: the validating resolver'],
  ['/usr/lib/python3/dist-packages/nacl', 'python3-nacl', 'DKIM, verified by python3-dkim'],
]

function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages
  } catch {
    return undefined
  }
}

/** Whether npm would install this entry here: `os`, `cpu` and `libc` as npm reads them, with `!name` for anything but. */
function isForHere({ os, cpu, libc }) {
  const fits = (named, here) => {
    const list = [named ?? []].flat()
    const denies = list.filter((one) => one.startsWith('!'))
    return denies.length < list.length ? list.includes(here) : !denies.includes(`!${here}`)
  }
  return fits(os, process.platform) && fits(cpu, process.arch) && fits(libc, libcName)
}
const libcName =
  process.platform === 'linux' && readdirSync('/lib').some((name) => name.startsWith('ld-musl')) ? 'musl' : 'glibc'

/** What differs between the lock file and what is installed; empty when they agree. */
function differences() {
  const wanted = readLock('package-lock.json')
  const found = readLock('node_modules/.package-lock.json')
  if (!wanted) throw new Error('package-lock.json is missing or damaged')
  if (!found) return ['nothing is installed']
  const wrong = []
  for (const [path, { version, optional, ...rest }] of Object.entries(wanted)) {
    if (path === '') continue
    const here = found[path]
    if (!here && optional && !isForHere(rest)) continue
    if (here?.version !== version || !existsSync(join(root, path))) wrong.push(`${path} ${version}`)
  }
  return wrong.concat(Object.keys(found).filter((path) => !(path in wanted)))
}

function fail(text) {
  console.error(`posthorn: ${text}`)
  process.exit(2)
}

function install() {
  const missing = differences()
  if (missing.length === 0) return
  console.error(
    `posthorn: installing (${missing.length === 1 ? missing[0] : `${missing.length} packages`}) with npm ci …`,
  )
  // npm is told nothing of the script that called it: its own settings and registry hold.
  const ran = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit' })
  if (ran.error) fail(`npm cannot be run: ${ran.error.message}`)
  if (ran.status !== 0) fail('npm ci failed; see above')
}

/** Node 26 needs libatomic, which a small Debian lacks. */
function checkNode() {
  const ran = spawnSync(node, ['--version'], { encoding: 'utf8' })
  if (ran.status === 0) return
  const words = `${ran.stderr ?? ''}${ran.error?.message ?? ''}`.trim()
  if (!words.includes('libatomic')) fail(`the pinned Node does not start: ${words}`)
  if (!isRoot || !hasProgram('apt-get'))
    fail('the pinned Node needs libatomic: run `apt-get install libatomic1` as root, then start again')
  console.error('posthorn: installing libatomic1, which the pinned Node needs …')
  if (!apt(['libatomic1']) || spawnSync(node, ['--version']).status !== 0)
    fail('libatomic1 could not be installed: run `apt-get install libatomic1` as root, then start again')
}

/** Installs the programs that tests run; whatever fails, the tests that need it are left out, and said so. */
function prepareTests() {
  const missing = installMissing(testPrograms, (names) =>
    console.error(`posthorn: installing ${names} for the tests …`),
  )
  for (const [, name, tests] of missing)
    console.error(`posthorn: left out: ${tests}. To have them: apt-get install ${name}`)
}

try {
  install()
  if (process.argv.includes('--test') || !startsQuickly()) checkNode()
  if (process.argv.includes('--test')) prepareTests()
  prepareBuild()
} catch (error) {
  fail(error instanceof Error ? error.message : String(error))
}

/** Builds the server when a source is newer, as bin/posthorn looks. Without a build it runs from its sources. */
function prepareBuild() {
  const main = join(root, 'dist', 'current', 'main.js')
  const newer = () => spawnSync('find', ['src', 'package-lock.json', '-newer', main, '-print', '-quit'], { cwd: root })
  if (existsSync(main) && newer().stdout?.length === 0) return
  const ran = spawnSync(node, [join(root, 'scripts', 'build.mjs')], { cwd: root, encoding: 'utf8' })
  if (ran.status !== 0)
    console.error(`posthorn: not built, so it starts more slowly: ${ran.stderr.trim() || ran.error}`)
}

/** Looks for the library instead of starting Node, which would cost more than everything else here. */
function startsQuickly() {
  const folders = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu']
  folders.push('/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu')
  return process.platform !== 'linux' || folders.some((folder) => existsSync(join(folder, 'libatomic.so.1')))
}
