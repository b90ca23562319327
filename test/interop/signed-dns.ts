// A DNS of our own with a signed root: Knot serves the zones, Unbound validates them from the root's key. Both on loopback, on ports of
// their own, in a folder of their own; they end with the test.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '../../src/base/index.ts'
import { createResolver } from '../../src/dns/index.ts'
import { freePorts, run } from '../server.ts'

export interface SignedZone {
  /** Without the final dot. */
  readonly name: string
  /** Lines of a zone file, names relative to it. */
  readonly records: string
  /** `signed`: its parent vouches for its key. `unsigned`: it says that there is none. `bogus`: for another key (whoever signs it is not the owner). */
  readonly chain: 'signed' | 'unsigned' | 'bogus'
}

/** Starts both; resolves with the address of the validating resolver when it answers. */
export async function serveSigned(
  t: { after(fn: () => Promise<void>): void },
  zones: readonly SignedZone[],
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-dns-'))
  const children: ChildProcess[] = []
  t.after(async () => {
    for (const child of children) child.kill()
    await Promise.all(children.map((child) => child.exitCode ?? new Promise((done) => child.on('close', done))))
    rmSync(folder, { recursive: true, force: true })
  })
  const [authority, validator] = (await freePorts(2)) as [number, number]
  for (const name of ['run', 'db', 'zones']) mkdirSync(join(folder, name))
  const all: SignedZone[] = [{ name: '', records: '', chain: 'signed' }, ...zones]
  writeFileSync(join(folder, 'knot.conf'), knotConfig(folder, authority, all))
  const keys = new Map<string, string>()
  for (const { name, chain } of all) if (chain !== 'unsigned') keys.set(name, await makeKey(folder, name))
  for (const zone of all) writeFileSync(join(folder, 'zones', fileOf(zone)), zoneText(zone, all, keys))
  writeFileSync(join(folder, 'unbound.conf'), unboundConfig(folder, authority, validator, all, keys.get('')!))
  let said = ''
  const start = (program: string, ...args: string[]) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
    children.push(child)
  }
  start('/usr/sbin/knotd', '-c', join(folder, 'knot.conf'))
  start('/usr/sbin/unbound', '-d', '-p', '-c', join(folder, 'unbound.conf'))
  const address = `127.0.0.1:${validator}`
  for (let i = 0; !(await isReady(address, all)); i++) {
    if (i > 100) throw new Error(`the signed DNS did not start:\n${said}`)
    await new Promise((done) => setTimeout(done, 100))
  }
  return address
}

const dotted = (name: string) => `${name}.`
const fileOf = ({ name }: SignedZone) => `${name || 'root'}.zone`

function knotConfig(folder: string, port: number, zones: readonly SignedZone[]): string {
  const sections = zones.map(
    (zone) => `  - domain: "${dotted(zone.name)}"
    file: "${join(folder, 'zones', fileOf(zone))}"
    dnssec-signing: ${zone.chain === 'unsigned' ? 'off' : 'on'}
    dnssec-policy: own`,
  )
  return `server:
    rundir: "${folder}/run"
    listen: 127.0.0.1@${port}
log:
  - target: stderr
    any: warning
database:
    storage: "${folder}/db"
policy:
  - id: own
    manual: on
    single-type-signing: on
    algorithm: ecdsap256sha256
template:
  - id: default
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
${sections.join('\n')}
`
}

/** The DS of a new key. */
async function makeKey(folder: string, name: string): Promise<string> {
  const keymgr = async (...args: string[]) => {
    const ran = await run('/usr/sbin/keymgr', ['-c', join(folder, 'knot.conf'), dotted(name), ...args])
    if (ran.code !== 0) throw new Error(`keymgr ${dotted(name)} ${args.join(' ')}: ${ran.stderr}`)
    return ran.stdout
  }
  await keymgr('generate', 'algorithm=ecdsap256sha256', 'ksk=yes', 'zsk=yes')
  // By SHA-256.
  const line = (await keymgr('ds')).split('\n').find((text) => / DS \d+ 13 2 /.test(text))
  return line!.slice(line!.indexOf(' DS ') + 4).trim()
}

function zoneText(
  { name, records }: SignedZone,
  all: readonly SignedZone[],
  keys: ReadonlyMap<string, string>,
): string {
  const children = all.filter((zone) => parentOf(zone.name, all) === name)
  const delegations = children.flatMap((child) => {
    const ds = keys.get(child.name)
    if (child.chain === 'unsigned' || ds === undefined) return [`${dotted(child.name)} NS ns.root-servers.`]
    const digest = child.chain === 'bogus' ? `${ds.slice(0, -4)}${ds.endsWith('0000') ? '1111' : '0000'}` : ds
    return [`${dotted(child.name)} NS ns.root-servers.`, `${dotted(child.name)} DS ${digest}`]
  })
  const own = name === '' ? ['ns.root-servers. A 127.0.0.1'] : []
  return `$ORIGIN ${dotted(name)}
$TTL 60
@ SOA ns.root-servers. postmaster.root-servers. 1 60 60 600 60
@ NS ns.root-servers.
${[...own, ...delegations, records].join('\n')}
`
}

/** The zone right above; undefined: of the root. */
function parentOf(name: string, all: readonly SignedZone[]): string | undefined {
  if (name === '') return undefined
  const above = all.filter((zone) => zone.name !== name && (zone.name === '' || name.endsWith(`.${zone.name}`)))
  return above.sort((a, b) => b.name.length - a.name.length)[0]!.name
}

function unboundConfig(
  folder: string,
  authority: number,
  port: number,
  zones: readonly SignedZone[],
  anchor: string,
): string {
  const stubs = zones.map(({ name }) => `stub-zone:\n  name: "${dotted(name)}"\n  stub-addr: 127.0.0.1@${authority}`)
  return `server:
  interface: 127.0.0.1@${port}
  port: ${port}
  directory: "${folder}"
  pidfile: ""
  username: ""
  chroot: ""
  use-syslog: no
  do-daemonize: no
  verbosity: 1
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor: ". DS ${anchor}"
  local-zone: "test." nodefault
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  qname-minimisation: no
  num-threads: 1
remote-control:
  control-enable: no
${stubs.join('\n')}
`
}

/** The zones are loaded, and what is signed is vouched for. */
async function isReady(address: string, zones: readonly SignedZone[]): Promise<boolean> {
  const resolver = createResolver({ servers: [address], timeoutMs: 500, clock: realClock })
  try {
    for (const { name, chain } of zones) {
      if (name === '' || chain !== 'signed') continue
      const answer = await resolver.txt(`ready.${name}`)
      if (answer.status === 'failed' || !answer.authentic) return false
    }
    return true
  } finally {
    resolver.close()
  }
}
