// Makes the doors out of the rooms: sockets, TLS and wire formats on a read-only store, writing through the core's services.
// A plain function: who calls it decides the thread.

import { type AccountReads, createAccountReads, createDkimKeys, createDomainPolicies } from '../accounts/index.ts'
import { Fault } from '../base/index.ts'
import { createDeliveryChecks, createRewriter } from '../delivery/index.ts'
import { createHttpServer } from '../http/server/index.ts'
import { createImapServer, type ImapSettings, listenImap } from '../imap/server/index.ts'
import { createMailReads, createSpool } from '../mail/index.ts'
import type { Verifier, VerifierOptions } from '../mailauth/index.ts'
import { createPop3Server, listenPop3, type Pop3Settings } from '../pop3/index.ts'
import { createReturnedReads, createSuppressionReads } from '../queue/index.ts'
import { createSmtpServer, type Kind, type SmtpSettings } from '../smtp/server/index.ts'
import { openReadStore, openSearchReader, type ReadStore, type SearchReader } from '../store/index.ts'
import { type FileCertificates, openDoorCertificates, type ServerTls } from '../tls/index.ts'
import { createRefusals, type Refusals } from '../trace/index.ts'
import type { Bound } from './banner.ts'
import type { Config, ListenerName } from './config/index.ts'
import { type Endpoint, formatEndpoint } from './config/units.ts'
import { watchCore } from './health.ts'
import type { Counters, DoorCounters } from './metrics.ts'
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
  let sealer: ReturnType<typeof openSealer> | undefined
  const certificates = await openDoorCertificates({
    store,
    sealer: () => (sealer ??= openSealer(config.data)),
    hostname: config.hostname,
    files: options.files,
    changed: (tls) => http.setCertificate(tls),
    clock,
    log,
  })
  const tls = certificates.current
  // One for all doors: what is guessed at one of them is remembered at the others.
  const accounts = createAccountReads({
    store,
    clock,
    log,
    hostname: config.hostname,
    keep: core.accounts.addScramKeys,
  })
  const index = config.search.index ? openSearchReader({ data: config.data, ...around }) : undefined
  const refusals = createRefusals({ notes: core.trace, clock, log: log.child({ door: 'smtp' }) })
  const resolver = createConfiguredResolver(config, clock)
  const parts = {
    config: () => config,
    resolver,
    refusals,
    store,
    index,
    accounts,
    core,
    around,
    tls,
    freeBytes: space.free,
  }
  const [smtp, imap, pop3] = [openSmtp(parts), openImap(parts), openPop3(parts)]
  const sources = {
    health: watchCore(core.core, around.clock),
    metrics: () => core.core.metrics(),
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
      certificates.use(next.files)
      resolver.reconfigure(config)
      smtp.reconfigure(smtpSettings(config))
      imap.reconfigure(imapSettings(config))
      pop3.reconfigure(pop3Settings(config))
    },
    async stop(graceMs) {
      const closing = listeners.map((listener) => listener.close())
      await Promise.all([smtp.stop(graceMs), imap.stop(graceMs), pop3.stop(graceMs), http.stop(graceMs), ...closing])
      await refusals.stop()
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
  readonly resolver: ConfiguredResolver
  /** That of the moment. */
  readonly config: () => Config
  readonly store: ReadStore
  readonly accounts: AccountReads
  readonly index: SearchReader | undefined
  readonly core: CoreServices
  readonly around: Surroundings
  readonly tls: () => ServerTls
  readonly freeBytes: () => number
}

function openSmtp({ config, resolver, refusals, store, accounts, core, around, tls, freeBytes }: Parts) {
  const { clock, log } = around
  const { hostname } = config()
  const policies = createDomainPolicies(store.bell, clock)
  const checks = createDeliveryChecks({
    accounts,
    suppressions: createSuppressionReads({ store, clock }),
    returned: createReturnedReads({ store, clock, policies }),
    rewriter: createRewriter({ store, clock, policies }),
    hostname,
    clock,
    limits: {
      get maxMessageSize() {
        return config().smtp.maxMessageSize
      },
      get minFreeBytes() {
        return config().disk.minimumFree
      },
    },
    freeBytes,
    authentication: {
      verifier: lazyVerifier({ resolver: around.dns ?? resolver, clock, log, authservId: hostname }),
      policies,
      store,
    },
    signing: {
      keys: createDkimKeys({ store, clock, log, sealer: openSealer(config().data) }),
      blobs: store.blobs,
      clock,
      log,
    },
  })
  return createSmtpServer({
    hostname,
    accounts,
    checks,
    delivery: core.delivery,
    spool: (options) => createSpool({ blobs: store.blobs, ...options }),
    refusals,
    tls,
    ...smtpSettings(config()),
    log: log.child({ door: 'smtp' }),
    clock,
  })
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

function openImap({ config, store, index, accounts, core, around, tls }: Parts) {
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

function openPop3({ config, store, accounts, core, around, tls }: Parts) {
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
