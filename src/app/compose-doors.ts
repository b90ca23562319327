// Makes the doors out of the rooms: sockets, TLS and wire formats on a read-only store, writing through the core's services.
// A plain function: who calls it decides the thread.

import {
  type BanReads,
  createBanReads,
  createGate,
  createListReads,
  createSignInGuard,
  toClient,
} from '../abuse/index.ts'
import {
  type AccountReads,
  createAccountReads,
  createDkimKeys,
  createDomainPolicies,
  type DomainPolicies,
  settingsOfAll,
} from '../accounts/index.ts'
import { type Client, createNetworkTest, Fault, isLoopback, type Sealer } from '../base/index.ts'
import { createDeliveryChecks, createRewriter } from '../delivery/index.ts'
import { createGreylist, createLazyClassifier } from '../filters/index.ts'
import { type Admission, createHttpServer } from '../http/server/index.ts'
import { createImapServer, type ImapSettings, listenImap } from '../imap/server/index.ts'
import { createMailReads, createSpool } from '../mail/index.ts'
import type { Verifier, VerifierOptions } from '../mailauth/index.ts'
import { createPop3Server, listenPop3, type Pop3Settings } from '../pop3/index.ts'
import { createReturnedReads, createSuppressionReads } from '../queue/index.ts'
import { createObserver, type Observer } from '../reports/index.ts'
import { createSmtpServer, type Kind, type SmtpSettings } from '../smtp/server/index.ts'
import { openReadStore, openSearchReader, type ReadStore, type SearchReader } from '../store/index.ts'
import { type FileCertificates, openDoorCertificates, type ServerTls } from '../tls/index.ts'
import { createRefusals, type Refusals } from '../trace/index.ts'
import type { Bound } from './banner.ts'
import type { Config, ListenerName } from './config/index.ts'
import { type Endpoint, formatEndpoint } from './config/units.ts'
import { configuredFilters } from './filters.ts'
import { watchCore } from './health.ts'
import type { Counters, DoorCounters } from './metrics.ts'
import { ownStsPolicies } from './own-sts.ts'
import { type ConfiguredResolver, createConfiguredResolver } from './resolver.ts'
import { openSealer } from './secret-key.ts'
import { type CoreServices, type Surroundings, storeOptions } from './services.ts'
import { systemWords } from './system-words.ts'
import { version } from './version.ts'

export interface DoorsOptions {
  readonly config: Config
  readonly files: FileCertificates
  /** Of several threads with doors the first also holds the web door. */
  readonly index: number
}

export interface Doors {
  /** Opens the ports. Fault `invalid` names the listener that cannot be opened and why. */
  listen(): Promise<Bound[]>
  counters(): Promise<DoorCounters>
  /** New connections get this certificate and the values of the keys that may change; live ones go on as they are. */
  reconfigure(next: Pick<DoorsOptions, 'config' | 'files'>): Promise<void>
  /** Takes no new work; what is under way ends within `graceMs` or is cut off. */
  stop(graceMs: number): Promise<void>
  close(): Promise<void>
}

export async function composeDoors(options: DoorsOptions, core: CoreServices, around: Surroundings): Promise<Doors> {
  let { config } = options
  const store = await openReadStore({ ...storeOptions(config, around), ...(around.fault && { fault: around.fault }) })
  const space = watchSpace(store, around)
  const { clock, log } = around
  const sealer = openSealer(config.data)
  // Settings of domains are read once for everything in this thread.
  const policies = createDomainPolicies(store.bell, clock)
  const certificates = await openDoorCertificates({
    store,
    sealer: () => sealer,
    hostname: config.hostname,
    files: options.files,
    changed: (tls) => http.setCertificate(tls),
    clock,
    log,
  })
  const tls = certificates.current
  // One for all doors: what is guessed at one of them is remembered at the others.
  const bans = createBanReads({ store, clock })
  let trusted = createNetworkTest(config.smtp.trustedNetworks)
  const isExempt = (ip: string) => isLoopback(ip) || trusted(ip)
  const accounts = createAccountReads({
    store,
    clock,
    log,
    hostname: config.hostname,
    keep: core.accounts.addScramKeys,
    guard: createSignInGuard({ store, bans, counts: core.abuse, isExempt, clock, log }),
  })
  const index = config.search.index ? openSearchReader({ data: config.data, ...around }) : undefined
  const refusals = createRefusals({ notes: core.trace, clock, log: log.child({ door: 'smtp' }) })
  const observer = createObserver({ notes: core.reports, clock, log: log.child({ door: 'smtp' }) })
  const resolver = createConfiguredResolver(config, clock)
  const parts = {
    config: () => config,
    resolver,
    refusals,
    observer,
    store,
    policies,
    sealer,
    index,
    accounts,
    core,
    around,
    tls,
    freeBytes: space.free,
    isBanned: async (client: Client) =>
      !client.near && !isExempt(client.address) && (await bans.ofAll(client.address)) !== undefined,
  }
  const [smtp, imap, pop3] = [openSmtp(parts), openImap(parts), openPop3(parts)]
  const sources = {
    health: watchCore(core.core, around.clock),
    metrics: () => core.core.metrics(),
    admit: guests(core, bans, isExempt),
    stsPolicy: ownStsPolicies(store, policies, config.hostname),
    challenge: certificates.challenge,
    challengeCertificate: certificates.challengeCertificate,
  }
  const http = createHttpServer({ sources, tls: tls(), log: around.log })
  const listeners: { close(): Promise<void> }[] = []

  const reusePort = config.doors > 1
  const openers: Readonly<Record<ListenerName, (at: Endpoint) => Promise<number>>> = {
    ...smtpOpeners(smtp, reusePort),
    imap: (at) => openImapPort(at, false),
    imaps: (at) => openImapPort(at, true),
    pop3: (at) => openPop3Port(at, false),
    pop3s: (at) => openPop3Port(at, true),
    http: (at) => http.listen({ ...at, kind: 'plain' }),
    https: (at) => http.listen({ ...at, kind: 'tls' }),
    acme: (at) => http.listen({ ...at, kind: 'acme' }),
  }
  const openImapPort = async (at: Endpoint, implicitTls: boolean) => {
    const listener = await listenImap(imap, { ...at, implicitTls, reusePort })
    listeners.push(listener)
    return listener.port
  }
  const openPop3Port = async (at: Endpoint, implicitTls: boolean) => {
    const listener = await listenPop3(pop3, { ...at, implicitTls, reusePort })
    listeners.push(listener)
    return listener.port
  }
  return {
    async listen() {
      const bound: Bound[] = []
      for (const [name, endpoints] of Object.entries(config.listen) as [ListenerName, Endpoint[] | undefined][]) {
        if (options.index > 0 && ['http', 'https', 'acme'].includes(name)) continue
        for (const at of endpoints ?? [])
          bound.push({ name, host: at.host, port: await openers[name](at).catch(refuseListener(name, at)) })
      }
      return bound
    },
    counters: async () => ({
      smtp: smtp.stats as unknown as Counters,
      imap: { ...imap.stats },
      pop3: { ...pop3.stats },
    }),
    async reconfigure(next) {
      config = next.config
      trusted = createNetworkTest(config.smtp.trustedNetworks)
      certificates.use(next.files)
      resolver.reconfigure(config)
      smtp.reconfigure(smtpSettings(config))
      imap.reconfigure(imapSettings(config))
      pop3.reconfigure(pop3Settings(config))
    },
    async stop(graceMs) {
      const closing = listeners.map((listener) => listener.close())
      await Promise.all([smtp.stop(graceMs), imap.stop(graceMs), pop3.stop(graceMs), http.stop(graceMs), ...closing])
      await Promise.all([refusals.stop(), observer.stop()])
    },
    async close() {
      space.stop()
      certificates.stop()
      resolver.close()
      index?.close()
      await store.close()
    },
  }
}

interface Parts {
  readonly refusals: Refusals
  readonly observer: Observer
  readonly resolver: ConfiguredResolver
  /** That of the moment. */
  readonly config: () => Config
  readonly store: ReadStore
  readonly policies: DomainPolicies
  readonly sealer: Sealer
  readonly accounts: AccountReads
  readonly index: SearchReader | undefined
  readonly core: CoreServices
  readonly around: Surroundings
  readonly tls: () => ServerTls
  readonly freeBytes: () => number
  readonly isBanned: (client: Client) => Promise<boolean>
}

const hourMs = 3_600_000

/** What one address may ask over HTTP without a token. */
function guests({ abuse }: CoreServices, bans: BanReads, isExempt: (ip: string) => boolean) {
  return async (ip: string): Promise<Admission> => {
    if (isExempt(ip)) return { ok: true }
    if (await bans.ofAll(ip)) return { ok: false, retryMs: hourMs }
    return abuse.take([{ kind: 'api-guest', subject: toClient(ip) }])
  }
}

function openSmtp(parts: Parts) {
  const { config, resolver, refusals, observer, store, policies, sealer, accounts, core, around, tls, freeBytes } =
    parts
  const { clock, log } = around
  const { hostname } = config()
  const dns = around.dns ?? resolver
  const greylist = createGreylist({
    settings: (to) => greylistSettings(store, policies, to),
    ask: (question) => core.abuse.greylist(question),
  })
  const screening = { lists: createListReads({ store, policies, clock }), greylist, accounts, log }
  const checks = createDeliveryChecks({
    accounts,
    suppressions: createSuppressionReads({ store, clock }),
    returned: createReturnedReads({ store, clock, policies }),
    rewriter: createRewriter({ store, clock, policies }),
    hostname,
    clock,
    blobs: store.blobs,
    limits: {
      get maxMessageSize() {
        return config().smtp.maxMessageSize
      },
      get minFreeBytes() {
        return config().disk.minimumFree
      },
    },
    freeBytes,
    screening,
    verifier: lazyVerifier({ resolver: dns, clock, log, authservId: hostname }),
    observing: { observer, policies, store },
    filtering: {
      filters: configuredFilters(config, { resolver: dns, clock, log: log.child({ part: 'filters' }), hostname }),
      log,
    },
    classification: { classifier: createLazyClassifier({ store }), accounts, policies, store, log },
    signing: { keys: createDkimKeys({ store, clock, log, sealer }), clock, log },
  })
  return createSmtpServer({
    hostname,
    accounts,
    checks,
    delivery: core.delivery,
    spool: (options) => createSpool({ blobs: store.blobs, ...options }),
    refusals,
    gate: createGate({ counts: core.abuse, accounts, policies, store, clock, log }),
    tls,
    ...smtpSettings(config()),
    log: log.child({ door: 'smtp' }),
    clock,
  })
}

/** Of several recipients' domains the mildest counts: nobody's mail waits for another. */
async function greylistSettings(store: ReadStore, policies: DomainPolicies, to: readonly string[]) {
  const domains = to.map((address) => address.slice(address.lastIndexOf('@') + 1))
  const settings = await store.read((tx) => settingsOfAll(policies, tx, domains))
  if (settings.some(({ greylist }) => greylist === false)) return undefined
  const delays = settings.flatMap(({ greylistDelay }) => greylistDelay ?? [])
  return delays.length < settings.length ? {} : { delayMs: 1000 * Math.min(...delays) }
}

/** Loaded with the first message from outside. */
function lazyVerifier(options: VerifierOptions): Verifier {
  let made: Promise<Verifier> | undefined
  const make = async () => (await import('../mailauth/index.ts')).createVerifier(options)
  return { verify: async (message) => (await (made ??= make())).verify(message) }
}

const smtpSettings = ({ auth, smtp, limits, proxyProtocol }: Config): SmtpSettings => ({
  plaintextAuth: auth.plaintext,
  proxies: proxyProtocol,
  trustedNetworks: smtp.trustedNetworks,
  xclient: smtp.xclient,
  xforward: smtp.xforward,
  verify: smtp.verify,
  greetingDelayMs: smtp.greetingDelay,
  limits: {
    maxMessageSize: smtp.maxMessageSize,
    maxRecipients: smtp.maxRecipients,
    ...(limits.connections !== undefined && { connections: limits.connections }),
    ...(limits.connectionsPerAddress !== undefined && {
      connectionsPerIp: limits.connectionsPerAddress,
      connectionsPerTrustedIp: limits.connectionsPerAddress,
    }),
  },
})

function openImap({ config, store, index, accounts, core, around, tls, isBanned }: Parts) {
  const { clock, log } = around
  const { hostname } = config()
  return createImapServer({
    services: {
      accounts,
      reads: createMailReads(store, index),
      writes: core.mail,
      bell: store.bell,
      spool: () => createSpool({ blobs: store.blobs, maxSize: config().smtp.maxMessageSize }),
    },
    hostname,
    version: version(),
    clock,
    log: log.child({ door: 'imap' }),
    tls,
    isBanned,
    ...imapSettings(config()),
  })
}

const imapSettings = ({ auth, smtp, limits, proxyProtocol }: Config): ImapSettings => ({
  plaintext: auth.plaintext,
  proxies: proxyProtocol,
  maxMessageSize: smtp.maxMessageSize,
  limits: {
    ...(limits.connections !== undefined && { connections: limits.connections }),
    ...(limits.connectionsPerAddress !== undefined && { unauthenticatedPerAddress: limits.connectionsPerAddress }),
  },
})

function openPop3({ config, store, accounts, core, around, tls, isBanned }: Parts) {
  const { clock, log } = around
  return createPop3Server({
    services: {
      accounts,
      reads: createMailReads(store),
      writes: core.mail,
      locks: core.maildrops,
      bell: store.bell,
    },
    hostname: config().hostname,
    clock,
    log: log.child({ door: 'pop3' }),
    tls,
    isBanned,
    ...pop3Settings(config()),
  })
}

const pop3Settings = ({ auth, limits, proxyProtocol }: Config): Pop3Settings => ({
  plaintext: auth.plaintext,
  proxies: proxyProtocol,
  limits: {
    ...(limits.connections !== undefined && { connections: limits.connections }),
    ...(limits.connectionsPerAddress !== undefined && { perAddress: limits.connectionsPerAddress }),
  },
})

function smtpOpeners(smtp: ReturnType<typeof createSmtpServer>, reusePort: boolean) {
  const open = (kind: Kind) => async (at: Endpoint) => (await smtp.listen(kind, formatEndpoint(at), { reusePort })).port
  return { smtp: open('mx'), submission: open('submission'), submissions: open('submissions'), lmtp: open('lmtp') }
}

/** One line that says which listener cannot be opened, and why. */
const refuseListener = (name: ListenerName, at: Endpoint) => (error: unknown) => {
  throw new Fault('invalid', `listen.${name}: cannot listen on ${formatEndpoint(at)}: ${systemWords(error)}`)
}

const spaceEveryMs = 5_000
/** While mail comes: in this time a fast network brings less than what is kept free by default. */
const spaceFreshMs = 1_000

/** Free space where mail is kept, asked for from time to time so that no session waits for it. */
function watchSpace(store: ReadStore, { clock, log }: Surroundings) {
  let bytes = Number.MAX_SAFE_INTEGER
  let cancel = () => {}
  let asked = Number.NEGATIVE_INFINITY
  const ask = async () => {
    asked = clock.monotonic()
    try {
      bytes = await store.blobs.free()
    } catch (error) {
      log.error({ err: error }, 'free space could not be asked for')
    }
  }
  const look = async () => {
    await ask()
    cancel = clock.after(spaceEveryMs, look)
  }
  void look()
  return {
    free() {
      if (clock.monotonic() - asked > spaceFreshMs) void ask()
      return bytes
    },
    stop: () => cancel(),
  }
}
