// Keeps certificates: orders and renews them in time, takes those that are brought, tells of all. One node at a time orders one certificate.
// How an authority is spoken to stands in acme/ and is loaded with the first order.

import { Fault, isFault, type Log } from '../base/index.ts'
import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import { certificateRows, type Store } from '../store/index.ts'
import type { Issuer } from './acme/issuer.ts'
import { AcmeError, type AcmeSettings, type RevocationReason, revocationReasons } from './acme/types.ts'
import { type CertificateInfo, toFileInfo, toInfo } from './certificate-info.ts'
import type { FileCertificates } from './certificates.ts'
import { keyPurpose } from './door-certificates.ts'
import { checkPair, makeKey, readCertificate } from './request.ts'
import { isNextKeyAnnounced } from './rollover.ts'
import { createWishes, type WishParts } from './wishes.ts'

export interface CertificateAdmin {
  list(): Promise<CertificateInfo[]>
  /** With its chain, PEM. Fault `not-found`. */
  show(name: string): Promise<CertificateInfo & { readonly chain: string }>
  /** Orders now; without names for this server's own. Faults say why there is none. */
  request(names: readonly string[]): Promise<CertificateInfo>
  /** Orders again now. `newKey`: with another key, once the DNS announces it where it pins keys. */
  renew(name: string, options?: { readonly newKey?: boolean }): Promise<CertificateInfo>
  /** Keeps a certificate that somebody else issued, for all nodes. PEM. Fault `invalid`. */
  import(pair: { readonly cert: string; readonly key: string }, name?: string): Promise<CertificateInfo>
  /** It serves no more; what is still wanted is ordered anew with another key. */
  revoke(name: string, reason: string): Promise<void>
  remove(name: string): Promise<void>
  /** Who issues for us, as CAA records name it; undefined: no authority is configured. */
  authority(): Promise<{ readonly issuers: readonly string[]; readonly challenge: string } | undefined>
}

export interface Keeper {
  readonly admin: CertificateAdmin
  readonly handlers: Pick<JobHandlers, 'tend-certificates'>
  /** Looks after all that is due, now and from time to time. */
  begin(): Promise<void>
  /** What somebody should see to, by name of the certificate. */
  remarks(): Promise<Readonly<Record<string, string>>>
}

export interface KeeperParts extends WishParts {
  readonly store: Store
  readonly log: Log
  readonly sealer: { seal(secret: Buffer, purpose: string): Buffer; open(sealed: Uint8Array, purpose: string): Buffer }
  readonly files: () => FileCertificates
  /** Why the files as they are now do not serve. */
  readonly problem: () => string | undefined
  /** Undefined: no authority is configured. */
  readonly settings: () => AcmeSettings | undefined
  readonly openIssuer: (settings: AcmeSettings) => Promise<Issuer>
  /** Whether the doors of this server are open, to answer an authority. */
  readonly answering: () => boolean
}

const tendEveryMs = 600_000
/** More than an order may take. */
const leaseMs = 900_000
const atOnce = 20
const minuteMs = 60_000
const dayMs = 86_400_000
/** Authorities count failures by the hour. */
const retryMs = [15 * minuteMs, 60 * minuteMs, 4 * 60 * minuteMs, 12 * 60 * minuteMs, dayMs]
const warnMs = 7 * dayMs

type Row = certificateRows.WithChain

export function createKeeper(parts: KeeperParts): Keeper {
  const { store, sealer, clock, log, hostname } = parts
  const wishes = createWishes(parts)
  let issuer: { readonly settings: AcmeSettings; readonly opened: Promise<Issuer> } | undefined

  const settingsNow = (): AcmeSettings => {
    const settings = parts.settings()
    if (settings) return settings
    throw new Fault(
      'unsupported',
      'no authority is configured: set acme.agree to true and acme.email, see docs/certificates.md',
    )
  }
  const issuerNow = (settings: AcmeSettings): Promise<Issuer> => {
    if (issuer?.settings !== settings) issuer = { settings, opened: parts.openIssuer(settings) }
    return issuer.opened
  }
  const find = async (name: string): Promise<Row> => {
    const row = await store.read((tx) => certificateRows.find(tx, name.toLowerCase()))
    if (!row) throw new Fault('not-found', `there is no certificate ${name} in the store: posthorn cert list`)
    return row
  }
  const info = async (name: string) => describe(await find(name))
  const openKey = (name: string, sealed: Uint8Array) => sealer.open(sealed, keyPurpose(name)).toString()
  const describe = (row: certificateRows.CertificateRow & { readonly chain?: string }): CertificateInfo =>
    toInfo(row, row.next_key && openKey(row.name, row.next_key), clock.now())

  /** Takes the certificate, so that no other node orders it meanwhile. Fault `in-use`. */
  const holding = async <T>(row: Row, work: (row: Row) => Promise<T>): Promise<T> => {
    if (!(await store.write('server', (tx) => certificateRows.lease(tx, row.id, leaseMs))))
      throw new Fault('in-use', `${row.name} is being ordered right now`)
    try {
      return await work(await find(row.name))
    } finally {
      await store.write('server', (tx) => certificateRows.release(tx, row.id))
    }
  }
  const noteFailure = async (row: Row, error: unknown) => {
    const words = isFault(error)
      ? error.message
      : `a fault of ours: ${error instanceof Error ? error.message : String(error)}`
    const asked = error instanceof AcmeError ? (error.waitMs ?? 0) : 0
    const wait = Math.max(retryMs[Math.min(row.attempts, retryMs.length - 1)]!, asked)
    await store.write('server', (tx) => certificateRows.setFailed(tx, row.id, words.slice(0, 1000), tx.now + wait))
    const left = row.not_after === null ? 0 : row.not_after - clock.now()
    log[left < warnMs ? 'error' : 'warn'](
      { certificate: row.name, error: words, wait },
      'tls: a certificate could not be ordered',
    )
    if (!isFault(error)) log.error({ err: error }, 'tls: an order failed')
  }

  /** The private key of the next certificate. */
  const chooseKey = async (row: Row, settings: AcmeSettings): Promise<string> => {
    if (row.next_key) return openKey(row.name, row.next_key)
    if (settings.keepKey && row.private_key) return openKey(row.name, row.private_key)
    return makeKey(settings.keyType)
  }
  const order = async (row: Row): Promise<void> => {
    const settings = settingsNow()
    if (settings.challenge !== 'dns-01' && !parts.answering())
      throw new Fault('unavailable', 'the server does not run, so nobody would answer the authority: start it first')
    const authority = await issuerNow(settings)
    const key = await chooseKey(row, settings)
    const previous = row.chain !== '' && row.directory === settings.directory ? row.chain : undefined
    const chain = await authority.issue(JSON.parse(row.names) as string[], key, previous)
    const { notBefore, notAfter } = readCertificate(chain)
    const { renewAt, askAt } = await authority.plan({ chain, notBefore, notAfter })
    const issued = {
      chain,
      private_key: sealer.seal(Buffer.from(key), keyPurpose(row.name)),
      directory: settings.directory,
      not_before: notBefore,
      not_after: notAfter,
      renew_at: renewAt,
      due_at: Math.min(renewAt, askAt),
    }
    await store.write('server', (tx) => certificateRows.setIssued(tx, row.id, issued))
    log.info({ certificate: row.name, until: new Date(notAfter).toISOString() }, 'tls: a certificate was issued')
  }
  const orderNow = async (row: Row): Promise<CertificateInfo> => {
    await holding(row, (held) =>
      order(held).catch(async (error: unknown) => {
        await noteFailure(held, error)
        throw error
      }),
    )
    return info(row.name)
  }

  /** Whether it is due, and if not yet, when somebody looks again. */
  const isDue = async (row: Row, settings: AcmeSettings): Promise<boolean> => {
    if (row.chain === '' || row.directory !== settings.directory) return true
    const names = new Set(readCertificate(row.chain).names)
    if ((JSON.parse(row.names) as string[]).some((name) => !names.has(name))) return true
    const authority = await issuerNow(settings)
    const planned = row.renew_at ?? undefined
    const life = { chain: row.chain, notBefore: row.not_before ?? 0, notAfter: row.not_after ?? 0, planned }
    const { renewAt, askAt, explanation } = await authority.plan(life)
    if (renewAt !== row.renew_at && explanation !== undefined)
      log.info({ certificate: row.name, explanation }, 'tls: the authority wants it renewed at another time')
    if (renewAt <= clock.now()) return true
    if (row.next_key && (await isAnnounced(row))) return true
    // A key that waits to be announced is looked for each time.
    const dueAt = row.next_key ? clock.now() : Math.min(renewAt, askAt)
    await store.write('server', (tx) => certificateRows.setPlan(tx, row.id, { renew_at: renewAt, due_at: dueAt }))
    return false
  }
  /** Whether the next key may be used; notes since when it is announced. */
  const isAnnounced = async (row: Row): Promise<boolean> => {
    const next = openKey(row.name, row.next_key!)
    const { ready, seenAt } = await isNextKeyAnnounced(
      parts,
      JSON.parse(row.names) as string[],
      next,
      row.next_key_seen_at ?? undefined,
    )
    if (!ready && (seenAt ?? null) !== row.next_key_seen_at) {
      const change = { next_key: row.next_key, next_key_seen_at: seenAt ?? null, due_at: clock.now() }
      await store.write('server', (tx) => certificateRows.setNextKey(tx, row.id, change))
    }
    return ready
  }
  const visit = async (row: Row): Promise<void> => {
    try {
      await holding(row, async (held) => {
        try {
          if (await isDue(held, settingsNow())) await order(held)
        } catch (error) {
          await noteFailure(held, error)
        }
      })
    } catch (error) {
      // Another node is at it.
      if (!isFault(error, 'in-use')) throw error
    }
  }
  const tend = async (): Promise<void> => {
    const settings = parts.settings()
    if (!settings) return
    await wishes.ensure(settings, parts.files().first !== undefined)
    for (const row of await store.read((tx) => certificateRows.due(tx, clock.now(), atOnce))) await visit(row)
  }

  const admin: CertificateAdmin = {
    async list() {
      const rows: certificateRows.CertificateRow[] = []
      for (let more = true; more; ) {
        const page = await store.read((tx) => certificateRows.list(tx, rows.at(-1)?.id ?? 0))
        rows.push(...page)
        more = page.length === 1000
      }
      const { first, others, fallback } = parts.files()
      const files = [...(first ? [first] : []), ...others].map(({ cert }) => toFileInfo(cert, 'file', clock.now()))
      const infos = [...files, ...rows.map(describe)]
      const ours = [hostname, `*${hostname.slice(hostname.indexOf('.'))}`]
      const served =
        first !== undefined ||
        infos.some(({ state, names }) => state !== 'waiting' && ours.some((name) => names.includes(name)))
      return [
        ...files,
        ...rows.map(describe),
        ...(served ? [] : [toFileInfo(fallback.cert, 'self-signed', clock.now())]),
      ]
    },
    async show(name) {
      const row = await find(name)
      return { ...describe(row), chain: row.chain }
    },
    async request(given) {
      const settings = settingsNow()
      const names =
        given.length > 0 ? [...new Set(given.map((name) => name.toLowerCase()))] : [hostname, ...settings.names]
      const { checkForm } = await import('./acme/checks.ts')
      for (const name of names) checkForm(name, settings.challenge)
      const wish = {
        name: names[0]!,
        names: JSON.stringify(names),
        source: 'acme' as const,
        directory: settings.directory,
      }
      await store.write('server', (tx) => certificateRows.put(tx, wish))
      return orderNow(await find(wish.name))
    },
    async renew(name, { newKey = false } = {}) {
      const row = await find(name)
      if (row.source !== 'acme') throw new Fault('unsupported', `${row.name} was imported: import its successor`)
      const settings = settingsNow()
      if (!newKey) return orderNow(row)
      const next_key = row.next_key ?? sealer.seal(Buffer.from(await makeKey(settings.keyType)), keyPurpose(row.name))
      const change = { next_key, next_key_seen_at: row.next_key_seen_at, due_at: clock.now() }
      await store.write('server', (tx) => certificateRows.setNextKey(tx, row.id, change))
      const changed = await find(row.name)
      return (await isAnnounced(changed)) ? orderNow(changed) : info(row.name)
    },
    async import(pair, given) {
      checkPair(pair)
      const { names, notBefore, notAfter } = readCertificate(pair.cert)
      const name = (given ?? names[0])?.toLowerCase()
      if (name === undefined) throw new Fault('invalid', 'the certificate names no host: nobody would be shown it')
      await store.write('server', async (tx) => {
        await certificateRows.put(tx, { name, names: JSON.stringify(names), source: 'imported', directory: '' })
        const row = await certificateRows.find(tx, name)
        const key = sealer.seal(Buffer.from(pair.key), keyPurpose(name))
        const times = { not_before: notBefore, not_after: notAfter, renew_at: null, due_at: notAfter }
        await certificateRows.setIssued(tx, row!.id, { chain: pair.cert, private_key: key, directory: '', ...times })
      })
      return info(name)
    },
    async revoke(name, reason) {
      if (!isReason(reason))
        throw new Fault('invalid', `${reason} is no reason: there are ${Object.keys(revocationReasons).join(', ')}`)
      const row = await find(name)
      const settings = settingsNow()
      if (row.source !== 'acme' || row.chain === '')
        throw new Fault('unsupported', `${row.name} was not issued by an authority`)
      if (row.directory !== settings.directory)
        throw new Fault(
          'unsupported',
          `${row.name} comes from ${row.directory}, not from the authority that is configured now`,
        )
      await holding(row, async (held) => {
        await (await issuerNow(settings)).revoke(held.chain, reason)
        await store.write('server', (tx) => certificateRows.forget(tx, held.id))
      })
      log.warn({ certificate: row.name, reason }, 'tls: a certificate was revoked')
    },
    async remove(name) {
      const { id } = await find(name)
      await store.write('server', (tx) => certificateRows.remove(tx, id))
    },
    async authority() {
      const settings = parts.settings()
      if (!settings) return undefined
      const row = await store.read((tx) => certificateRows.findAccount(tx, settings.directory))
      const known = row ? (JSON.parse(row.caa) as string[]) : []
      const named = new URL(settings.directory).hostname.endsWith('.letsencrypt.org') ? ['letsencrypt.org'] : []
      return { issuers: known.length > 0 ? known : named, challenge: settings.challenge }
    },
  }
  return {
    admin,
    handlers: {
      async 'tend-certificates'(_payload, job) {
        await tend()
        await store.write([], (tx) => job.again(tx, tx.now + tendEveryMs))
      },
    },
    async begin() {
      await store.write('server', (tx) => ensureJob(tx, 'tend-certificates', {}, { runAt: tx.now + tendEveryMs }))
      await tend()
    },
    async remarks() {
      const found: Record<string, string> = {}
      const problem = parts.problem()
      if (problem !== undefined) found['certificate files'] = `${problem}; the certificates from before are kept`
      for (const one of await admin.list()) {
        if (one.error !== undefined) found[`certificate ${one.name}`] = one.error
        else if (one.notAfter !== undefined && one.notAfter - clock.now() < warnMs)
          found[`certificate ${one.name}`] = one.notAfter < clock.now() ? 'has ended' : `ends in ${one.daysLeft} days`
      }
      return found
    },
  }
}

const isReason = (text: string): text is RevocationReason => Object.hasOwn(revocationReasons, text)
