// The certificates of a thread of doors: those of files, given to it, and those of the store, which it reads itself: at start, when the bell
// rings, and each minute. Also what is to be proven to authorities right now. Writes nothing.

import type { Clock, Log, Sealer } from '../base/index.ts'
import { certificateRows, type ReadStore } from '../store/index.ts'
import { createServerTls, tlsOptions } from './by-name.ts'
import type { FileCertificates } from './certificates.ts'
import { createChallengeCertificate } from './challenge-certificate.ts'
import type { CertificatePair } from './self-signed.ts'
import type { ServerTls } from './server-side.ts'

export interface DoorCertificates {
  current(): ServerTls
  /** Other files. */
  use(files: FileCertificates): void
  /** What an authority is answered that asks by this token (HTTP-01). */
  challenge(token: string): string | undefined
  /** What an authority is shown that asks for this name (TLS-ALPN-01). */
  challengeCertificate(name: string): ServerTls | undefined
  stop(): void
}

export interface DoorCertificatesOptions {
  readonly store: ReadStore
  readonly sealer: () => Sealer
  readonly hostname: string
  readonly files: FileCertificates
  /** Told after each change. */
  readonly changed: (tls: ServerTls) => void
  readonly clock: Clock
  readonly log: Log
}

/** A ring may be lost. */
const lookEveryMs = 60_000
const chainsAtOnce = 100

/** What seals the key of a certificate. */
export const keyPurpose = (name: string): string => `the key of the certificate ${name}`

interface Kept {
  readonly version: number
  readonly pair: CertificatePair | undefined
}

export async function openDoorCertificates(options: DoorCertificatesOptions): Promise<DoorCertificates> {
  const { store, hostname, clock, log, changed } = options
  let { files } = options
  let stored = new Map<number, Kept>()
  let proofs: Proofs = { tokens: new Map(), names: new Map() }

  const make = () => {
    const pairs = [...stored.values()].flatMap(({ pair }) => pair ?? [])
    return createServerTls({ ...files, others: [...files.others, ...pairs], hostname }, clock.now())
  }
  const read = async (): Promise<boolean> => {
    const found = await readChanged(options, stored)
    proofs = await readProofs(store, clock)
    if (found) stored = found
    return found !== undefined
  }
  await read()
  let current = make()
  const renew = () => {
    current = make()
    changed(current)
  }

  let stopped = false
  let looking: Promise<void> | undefined
  let again = false
  const look = () => {
    again = true
    looking ??= lookAll().finally(() => (looking = undefined))
  }
  const lookAll = async () => {
    while (again && !stopped) {
      again = false
      try {
        if (await read()) renew()
      } catch (error) {
        if (!stopped) log.error({ err: error }, 'tls: the certificates of the store cannot be read')
      }
    }
  }
  const stopHearing = store.bell.on((ring) => {
    if ('topic' in ring && ring.topic === 'certificates') look()
  })
  let cancel = () => {}
  const tick = () => {
    look()
    cancel = clock.after(lookEveryMs, tick)
  }
  cancel = clock.after(lookEveryMs, tick)
  return {
    current: () => current,
    use(next) {
      if (JSON.stringify(next) === JSON.stringify(files)) return
      files = next
      renew()
    },
    challenge: (token) => proofs.tokens.get(token),
    challengeCertificate(name) {
      const proof = proofs.names.get(name)
      if (!proof) return undefined
      proof.made ??= tlsOptions(createChallengeCertificate(name, proof.keyAuthorization, clock.now()))
      return proof.made
    },
    stop() {
      stopped = true
      stopHearing()
      cancel()
    },
  }
}

/** All that the store has now, read anew where a version has risen; undefined when nothing has changed. */
async function readChanged(
  { store, sealer, log }: DoorCertificatesOptions,
  known: ReadonlyMap<number, Kept>,
): Promise<Map<number, Kept> | undefined> {
  const versions = new Map<number, number>()
  for (let after = 0, more = true; more; ) {
    const page = await store.read((tx) => certificateRows.versions(tx, after))
    for (const { id, version } of page) versions.set(id, version)
    more = page.length === 1000
    after = page.at(-1)?.id ?? after
  }
  const stale = [...versions].filter(([id, version]) => known.get(id)?.version !== version).map(([id]) => id)
  if (stale.length === 0 && versions.size === known.size) return undefined
  const kept = new Map([...known].filter(([id]) => versions.has(id)))
  for (let at = 0; at < stale.length; at += chainsAtOnce) {
    const rows = await store.read((tx) => certificateRows.withChains(tx, stale.slice(at, at + chainsAtOnce)))
    for (const row of rows) kept.set(row.id, { version: row.version, pair: openPair(row, sealer, log) })
  }
  return kept
}

/** One that does not open is left out and logged: the others must serve. */
function openPair(row: certificateRows.WithChain, sealer: () => Sealer, log: Log): CertificatePair | undefined {
  if (row.private_key === null) return undefined
  try {
    return { cert: row.chain, key: sealer().open(row.private_key, keyPurpose(row.name)).toString() }
  } catch (error) {
    log.error({ err: error, certificate: row.name }, 'tls: this certificate does not serve')
    return undefined
  }
}

interface Proofs {
  readonly tokens: Map<string, string>
  readonly names: Map<string, { readonly keyAuthorization: string; made?: ServerTls }>
}

async function readProofs(store: ReadStore, clock: Clock): Promise<Proofs> {
  const proofs: Proofs = { tokens: new Map(), names: new Map() }
  for (const { kind, identifier, value } of await store.read((tx) => certificateRows.challenges(tx, clock.now())))
    if (kind === 'http-01') proofs.tokens.set(identifier, value)
    else proofs.names.set(identifier, { keyAuthorization: value })
  return proofs
}
