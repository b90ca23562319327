// What commands do with certificates: list, order, take in, revoke. Speaks to nobody itself.

import { Fault } from '../base/index.ts'
import { certificateRows } from '../store/index.ts'
import { type RevocationReason, revocationReasons } from './acme/types.ts'
import { type CertificateInfo, toFileInfo, toInfo } from './certificate-info.ts'
import type { FileCertificates } from './certificates.ts'
import { keyPurpose } from './door-certificates.ts'
import type { OrderParts, Orders } from './orders.ts'
import { checkPair, makeKey, readCertificate } from './request.ts'

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

export interface AdminParts extends OrderParts {
  readonly hostname: string
  readonly files: () => FileCertificates
}

export function createCertificateAdmin(parts: AdminParts, orders: Orders): CertificateAdmin {
  const { store, sealer, clock, log, hostname } = parts
  const info = async (name: string) => describe(await orders.find(name))
  const describe = (row: certificateRows.CertificateRow & { readonly chain?: string }): CertificateInfo =>
    toInfo(row, row.next_key && orders.openKey(row.name, row.next_key), clock.now())
  return {
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
      return [...infos, ...(served ? [] : [toFileInfo(fallback.cert, 'self-signed', clock.now())])]
    },
    async show(name) {
      const row = await orders.find(name)
      return { ...describe(row), chain: row.chain }
    },
    async request(given) {
      const settings = orders.settings()
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
      await orders.orderNow(await orders.find(wish.name))
      return info(wish.name)
    },
    async renew(name, { newKey = false } = {}) {
      const row = await orders.find(name)
      if (row.source !== 'acme') throw new Fault('unsupported', `${row.name} was imported: import its successor`)
      const settings = orders.settings()
      if (!newKey) {
        await orders.orderNow(row)
        return info(row.name)
      }
      const next_key = row.next_key ?? sealer.seal(Buffer.from(await makeKey(settings.keyType)), keyPurpose(row.name))
      const change = { next_key, next_key_seen_at: row.next_key_seen_at, due_at: clock.now() }
      await store.write('server', (tx) => certificateRows.setNextKey(tx, row.id, change))
      const changed = await orders.find(row.name)
      if (await orders.isAnnounced(changed)) await orders.orderNow(changed)
      return info(row.name)
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
        await certificateRows.setIssued(tx, row!.id, {
          chain: pair.cert,
          private_key: key,
          next_key: null,
          next_key_seen_at: null,
          directory: '',
          ...times,
        })
      })
      return info(name)
    },
    async revoke(name, reason) {
      if (!isReason(reason))
        throw new Fault('invalid', `${reason} is no reason: there are ${Object.keys(revocationReasons).join(', ')}`)
      const row = await orders.find(name)
      const settings = orders.settings()
      if (row.source !== 'acme' || row.chain === '')
        throw new Fault('unsupported', `${row.name} was not issued by an authority`)
      if (row.directory !== settings.directory)
        throw new Fault(
          'unsupported',
          `${row.name} comes from ${row.directory}, not from the authority that is configured now`,
        )
      await orders.holding(row, async (held) => {
        await (await orders.issuer(settings)).revoke(held.chain, reason)
        await store.write('server', (tx) => certificateRows.forget(tx, held.id))
      })
      log.warn({ certificate: row.name, reason }, 'tls: a certificate was revoked')
    },
    async remove(name) {
      const { id } = await orders.find(name)
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
}

const isReason = (text: string): text is RevocationReason => Object.hasOwn(revocationReasons, text)
