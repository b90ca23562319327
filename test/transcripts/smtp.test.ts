// Every transcript of smtp/ against the SMTP door, with a world as small as the door's own interfaces.

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { join } from 'node:path'
import type { AccountReads, Login, Resolution } from '../../src/accounts/index.ts'
import type { Address } from '../../src/address/index.ts'
import { type AccountId, Fault, realClock, silentLog, toId } from '../../src/base/index.ts'
import type { Arrival, Delivery, DeliveryChecks, RefusalCode } from '../../src/delivery/index.ts'
import { createSpool } from '../../src/mail/index.ts'
import type { SaslKeys, ScramHash } from '../../src/sasl/index.ts'
import { createSmtpServer, type Kind, type SmtpServerOptions } from '../../src/smtp/server/index.ts'
import type { MailParams } from '../../src/smtp/wire/index.ts'
import type { Blobs } from '../../src/store/index.ts'
import { testCertificate } from './certificate.ts'
import { testTranscripts, type World } from './run.ts'

const kinds: readonly Kind[] = ['mx', 'submission', 'submissions', 'lmtp']
const ann: Login = { account: toId<AccountId>(1), email: 'ann@example.test', name: 'Ann' }

/** Of the password `secret`. */
function scramKeys(hash: ScramHash): SaslKeys {
  const [name, bytes] = hash === 'SHA-1' ? (['sha1', 20] as const) : (['sha256', 32] as const)
  const hmac = (key: Buffer, text: string) => createHmac(name, key).update(text).digest()
  const salt = Buffer.alloc(16, 1)
  const salted = pbkdf2Sync('secret', salt, 4096, bytes, name)
  const storedKey = createHash(name).update(hmac(salted, 'Client Key')).digest()
  return { salt, iterations: 4096, storedKey, serverKey: hmac(salted, 'Server Key') }
}

const account = { id: ann.account, email: ann.email, name: ann.name, disabled: false }

/** ann@example.test signs in with `secret`; `broken` is an account whose store is not reachable. */
const accounts = {
  async login(user: string, password: string): Promise<Login> {
    if (user === 'broken') throw new Fault('unavailable', 'the store is not reachable')
    if (user !== ann.email || password !== 'secret') throw new Fault('unauthenticated', 'wrong')
    return ann
  },
  async scram(user: string, hash: ScramHash): Promise<{ keys: SaslKeys; login?: Login }> {
    const keys = scramKeys(hash)
    return user === ann.email ? { keys, login: ann } : { keys: { ...keys, salt: Buffer.alloc(16, 2) } }
  },
  async scramEnded() {},
  async findAccount(email: string) {
    return { 'ann@example.test': account, 'gone@example.test': { ...account, disabled: true } }[email]
  },
  account: async () => account,
  async members({ local, domain }: Address): Promise<Resolution> {
    if (domain !== 'example.test') return { kind: 'remote' }
    if (local === 'nobody') return { kind: 'unknown' }
    if (local === 'gone') return { kind: 'disabled' }
    const own = { account: ann.account, address: { local: 'ann', domain } }
    if (local === 'list') return { kind: 'local', local: [own], remote: [{ local: 'out', domain: 'else.test' }] }
    const remote = Array.from({ length: 150 }, (_, i) => ({ local: `m${i}`, domain }))
    return local === 'all' ? { kind: 'local', local: [], remote } : { kind: 'local', local: [own], remote: [] }
  },
} as unknown as AccountReads

const refuse = (code: RefusalCode, text: string) => ({ ok: false, refusal: { code, text } }) as const

/** A local part that is the name of a refusal is refused with it. */
const checks: DeliveryChecks = {
  async sender(_arrival, from) {
    return from?.local === 'forged' ? refuse('sender-denied', 'This address is not yours') : { ok: true }
  },
  async recipient(_arrival, _from, to) {
    if (to.local === 'nobody') return refuse('unknown-user', 'There is no such user')
    if (to.local === 'full') return refuse('over-quota', 'The mailbox is full')
    return to.domain.endsWith('example.test') ? { ok: true } : refuse('relay-denied', 'Relaying is not allowed')
  },
  content: async (arrival) => ({ arrival }),
  async header(_arrival, _envelope, header) {
    if (header.includes('X-Refuse:')) return { refusal: { code: 'bad-message', text: 'The header is refused' } }
    return header.includes('TLS-Required: No') ? { header, params: { tlsOptional: true } } : { header }
  },
}

const show = (params: object | undefined) => (params ? ` ${JSON.stringify(params).replaceAll('"', '')}` : '')

const showClient = ({ clientIp, clientName, trusted, helo, user, origin }: Arrival) =>
  [clientIp, clientName, trusted && 'trusted', helo, user].filter(Boolean).join(' ') + show(origin)

/** Times in seconds from the arrival, so that a transcript can say them. */
function sinceArrival({ receivedAt }: Arrival, params: MailParams | undefined): MailParams | undefined {
  if (!params) return undefined
  const { by, holdUntil } = params
  const since = (time: number) => Math.round((time - receivedAt) / 1000)
  return {
    ...params,
    ...(by && { by: { ...by, at: since(by.at) } }),
    ...(holdUntil !== undefined && { holdUntil: since(holdUntil) }),
  }
}

/** No message here is large enough for a file. */
const blobs = { inlineLimit: 65_536 } as Blobs

async function open(settings: Readonly<Record<string, string>>): Promise<World> {
  let delivered: string[] = []
  const delivery: Delivery = {
    async receive(arrival, envelope, content) {
      const text = Buffer.from(content.bytes!).toString('latin1').replaceAll('\r', '\\r').replaceAll('\n', '\\n')
      const to = envelope.to.map(({ address, params }) => `${address.local}@${address.domain}${show(params)}`).join(',')
      const from = settings['proxies'] || settings['xclient'] || settings['xforward'] ? `[${showClient(arrival)}] ` : ''
      const sender = `${envelope.from ? envelope.from.local : '<>'}${show(sinceArrival(arrival, envelope.params))}`
      delivered.push(`${from}${arrival.with} ${sender} -> ${to}: ${text}`)
      return {
        verdicts: envelope.to.map(({ address }) =>
          address.local.startsWith('late') ? refuse('over-quota', 'The mailbox is full') : { ok: true },
        ),
      }
    },
  }
  const number = (name: string) => (settings[name] === undefined ? {} : { [name]: Number(settings[name]) })
  const options: SmtpServerOptions = {
    hostname: 'mail.example.test',
    accounts,
    checks,
    delivery,
    spool: (spool) => createSpool({ blobs, ...spool }),
    tls: () => (settings['tls'] === 'off' ? undefined : testCertificate),
    plaintextAuth: (settings['plaintext'] ?? 'never') as 'never',
    trustedNetworks: settings['trusted']?.split(',') ?? [],
    proxies: settings['proxies']?.split(',') ?? [],
    xclient: settings['xclient']?.split(',') ?? [],
    xforward: settings['xforward']?.split(',') ?? [],
    verify: settings['verify'] === 'yes',
    limits: {
      ...number('maxMessageSize'),
      ...number('maxRecipients'),
      ...number('badCommands'),
      ...number('connectionsPerTrustedIp'),
      ...number('connectionsPerIp'),
      ...number('messageLine'),
      ...number('proxyWaitMs'),
      ...number('transactions'),
      ...number('holdMs'),
      ...number('refusedRecipients'),
    },
    log: silentLog,
    clock: realClock,
  }
  const server = createSmtpServer(options)
  const ports = new Map<string, number>()
  for (const kind of kinds) ports.set(kind, (await server.listen(kind, '127.0.0.1:0')).port)
  return {
    door: (name) => ({ host: '127.0.0.1', port: ports.get(name)!, tls: name === 'submissions' }),
    takeDelivered() {
      const lines = delivered
      delivered = []
      return lines
    },
    close: () => server.stop(0),
  }
}

testTranscripts(join(import.meta.dirname, 'smtp'), open)
