// The configuration's words for certificates as the room of TLS wants them. Orders nothing.

import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { type Clock, Fault, type Log, type Sealer } from '../base/index.ts'
import type { CaaResolver } from '../dns/index.ts'
import { openAcmeTransport } from '../egress/index.ts'
import type { Store } from '../store/index.ts'
import {
  type AcmeSettings,
  type CertificateSource,
  createKeeper,
  type DnsSettings,
  type FileCertificates,
  type Issuer,
  type Keeper,
  loadCertificates,
  loadIssuer,
} from '../tls/index.ts'
import type { Config } from './config/index.ts'
import { systemWords } from './system-words.ts'

export const certificateSource = ({ hostname, data, tls, certificates }: Config): CertificateSource => ({
  hostname,
  folder: join(data, 'tls'),
  more: certificates,
  ...(tls && { files: tls }),
})

/** What is known of certificate files by who watches them. */
export interface WatchedNow {
  files(): FileCertificates
  problem(): string | undefined
}

/** For a command on a folder at rest: read once, when asked for. */
export function readOnce(config: Config, clock: Clock): WatchedNow {
  let found: FileCertificates | undefined
  return { files: () => (found ??= loadCertificates(certificateSource(config), clock.now())), problem: () => undefined }
}

const letsEncrypt = 'https://acme-v02.api.letsencrypt.org/directory'
const letsEncryptStaging = 'https://acme-staging-v02.api.letsencrypt.org/directory'

/** Undefined while nobody agreed to an authority's terms. Fault `invalid` for what cannot go together. */
export function acmeSettings({ acme, listen, source }: Config): AcmeSettings | undefined {
  if (!acme.agree) return undefined
  const refuse = (words: string) => new Fault('invalid', `acme: ${words}`)
  if (acme.staging && acme.directory !== undefined)
    throw refuse('staging is Let’s Encrypt’s: with a directory of another authority, name its own for tests')
  if (acme.challenge === 'http-01' && !listen.acme && !listen.http)
    throw refuse(`challenge http-01 needs listen.acme, on the port to which port 80 leads (${source})`)
  if (acme.challenge === 'tls-alpn-01' && !listen.https)
    throw refuse('challenge tls-alpn-01 needs listen.https, on the port to which port 443 leads')
  if (acme.challenge === 'dns-01' && !acme.dns) throw refuse('challenge dns-01 needs acme.dns')
  const { email, profile, eab, dns, ca } = acme
  return {
    directory: acme.directory ?? (acme.staging ? letsEncryptStaging : letsEncrypt),
    challenge: acme.challenge,
    keyType: acme.keyType,
    keepKey: acme.keepKey,
    names: acme.names,
    domains: acme.domains,
    ...(email !== undefined && { email }),
    ...(profile !== undefined && { profile }),
    ...(eab && { eab }),
    ...(dns && { dns: dnsSettings(dns) }),
    ...(ca !== undefined && { ca: readAuthority(ca) }),
  }
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Fault('invalid', `acme.ca: cannot read ${path}: ${systemWords(error)}`)
  }
}

function dnsSettings(dns: NonNullable<Config['acme']['dns']>): DnsSettings {
  const servers = dns.servers && { servers: dns.servers }
  if (dns.provider === 'cloudflare') return { provider: 'cloudflare', token: dns.token ?? '', api: dns.api, ...servers }
  const { server = '', zone, keyName, keyAlgorithm, keySecret } = dns
  const secret = Buffer.from(keySecret ?? '', 'base64')
  if (keySecret !== undefined && secret.length === 0)
    throw new Fault('invalid', 'acme.dns.keySecret: this is no base64')
  return {
    provider: 'rfc2136',
    server,
    ...servers,
    ...(zone !== undefined && { zone }),
    ...(keyName !== undefined && { key: { name: keyName, algorithm: keyAlgorithm, secret } }),
  }
}

export interface KeeperSurroundings {
  readonly store: Store
  readonly sealer: Sealer
  readonly resolver: CaaResolver
  readonly domains: () => Promise<readonly string[]>
  readonly watched: WatchedNow
  readonly answering: () => boolean
  readonly clock: Clock
  readonly log: Log
}

export interface ConfiguredKeeper extends Keeper {
  reconfigure(config: Config): void
}

export function openKeeper(config: Config, around: KeeperSurroundings): ConfiguredKeeper {
  let current = config
  let settings = acmeSettings(config)
  const { store, sealer, resolver, watched, clock, log } = around
  const addresses = () =>
    Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).filter((one) => !one.internal).map((one) => one.address),
    )
  const openIssuer = async (settings: AcmeSettings): Promise<Issuer> => {
    const [createIssuer, transport] = await Promise.all([
      loadIssuer(),
      openAcmeTransport({ ...(settings.ca !== undefined && { ca: settings.ca }) }),
    ])
    const nameServers = current.dns.resolver
    return createIssuer({
      settings,
      store,
      sealer,
      transport,
      resolver,
      ...(nameServers && { nameServers }),
      hostname: config.hostname,
      addresses,
      clock,
      log,
    })
  }
  const keeper = createKeeper({
    store,
    sealer,
    resolver,
    hostname: config.hostname,
    addresses,
    domains: around.domains,
    web: () => current.listen.https !== undefined,
    clock,
    log,
    files: watched.files,
    problem: watched.problem,
    settings: () => settings,
    openIssuer,
    answering: around.answering,
  })
  return {
    ...keeper,
    reconfigure(next) {
      const changed = JSON.stringify([next.acme, next.dns]) !== JSON.stringify([current.acme, current.dns])
      current = next
      if (!changed) return
      settings = acmeSettings(next)
      void keeper
        .begin()
        .catch((error: unknown) => log.error({ err: error }, 'tls: certificates could not be looked after'))
    },
  }
}
