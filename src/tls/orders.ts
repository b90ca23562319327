// Orders: which certificate is due, who may order it now, what becomes of it. One node at a time orders one certificate. How an authority is
// spoken to stands in acme/ and is loaded with the first order.

import { type Clock, Fault, isFault, type Log, type Sealer } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { certificateRows, type Store } from '../store/index.ts'
import type { Issuer } from './acme/issuer.ts'
import { AcmeError, type AcmeSettings } from './acme/types.ts'
import { keyPurpose } from './door-certificates.ts'
import { makeKey, readCertificate } from './request.ts'
import { isNextKeyAnnounced } from './rollover.ts'

export interface OrderParts {
  readonly store: Store
  readonly sealer: Sealer
  readonly resolver: Pick<Resolver, 'tlsa'>
  /** Undefined: no authority is configured. */
  readonly settings: () => AcmeSettings | undefined
  readonly openIssuer: (settings: AcmeSettings) => Promise<Issuer>
  /** Whether the doors of this server are open, to answer an authority. */
  readonly answering: () => boolean
  readonly clock: Clock
  readonly log: Log
}

export type Row = certificateRows.WithChain

export interface Orders {
  /** Fault `unsupported` when no authority is configured. */
  settings(): AcmeSettings
  issuer(settings: AcmeSettings): Promise<Issuer>
  /** Fault `not-found`. */
  find(name: string): Promise<Row>
  /** The private key that stands sealed in a row, PEM. */
  openKey(name: string, sealed: Uint8Array): string
  /** Takes the certificate, so that no other node orders it meanwhile. Fault `in-use`. */
  holding<T>(row: Row, work: (row: Row) => Promise<T>): Promise<T>
  /** Faults say why there is none; it is tried again later. */
  orderNow(row: Row): Promise<void>
  /** Whether the next key may be used; notes since when it is announced. */
  isAnnounced(row: Row): Promise<boolean>
  /** Orders what is due, and notes when somebody is to look again. */
  visit(row: Row): Promise<void>
}

/** More than an order may take. */
const leaseMs = 900_000
const minuteMs = 60_000
const dayMs = 86_400_000
/** Authorities count failures by the hour. */
const retryMs = [15 * minuteMs, 60 * minuteMs, 4 * 60 * minuteMs, 12 * 60 * minuteMs, dayMs]
/** With less left it is an error that it is not renewed. */
export const warnMs = 7 * dayMs

export function createOrders(parts: OrderParts): Orders {
  const { store, sealer, clock, log } = parts
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
    if (issuer?.settings !== settings) {
      const opened = parts.openIssuer(settings)
      issuer = { settings, opened }
      opened.catch(() => (issuer = undefined))
    }
    return issuer.opened
  }
  const find = async (name: string): Promise<Row> => {
    const row = await store.read((tx) => certificateRows.find(tx, name.toLowerCase()))
    if (!row) throw new Fault('not-found', `there is no certificate ${name} in the store: posthorn cert list`)
    return row
  }
  const openKey = (name: string, sealed: Uint8Array) => sealer.open(sealed, keyPurpose(name)).toString()
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
  /** The private key of the next certificate, and the one that still waits to be announced. */
  const chooseKey = async (row: Row, settings: AcmeSettings) => {
    const rest = { next_key: row.next_key, next_key_seen_at: row.next_key_seen_at }
    if (row.next_key && (await isAnnounced(row)))
      return { key: openKey(row.name, row.next_key), next_key: null, next_key_seen_at: null }
    if (settings.keepKey && row.private_key) return { key: openKey(row.name, row.private_key), ...rest }
    return { key: await makeKey(settings.keyType), ...rest }
  }
  const order = async (row: Row): Promise<void> => {
    const settings = settingsNow()
    if (settings.challenge !== 'dns-01' && !parts.answering())
      throw new Fault('unavailable', 'the server does not run, so nobody would answer the authority: start it first')
    const authority = await issuerNow(settings)
    const { key, ...next } = await chooseKey(row, settings)
    const previous = row.chain !== '' && row.directory === settings.directory ? row.chain : undefined
    const chain = await authority.issue(JSON.parse(row.names) as string[], key, previous)
    const { notBefore, notAfter } = readCertificate(chain)
    const { renewAt, askAt } = await authority.plan({ chain, notBefore, notAfter })
    const issued = {
      chain,
      ...next,
      private_key: sealer.seal(Buffer.from(key), keyPurpose(row.name)),
      directory: settings.directory,
      not_before: notBefore,
      not_after: notAfter,
      renew_at: renewAt,
      due_at: next.next_key ? clock.now() : Math.min(renewAt, askAt),
    }
    await store.write('server', (tx) => certificateRows.setIssued(tx, row.id, issued))
    log.info({ certificate: row.name, until: new Date(notAfter).toISOString() }, 'tls: a certificate was issued')
  }
  const orderNow = (row: Row): Promise<void> =>
    holding(row, (held) =>
      order(held).catch(async (error: unknown) => {
        await noteFailure(parts, held, error)
        throw error
      }),
    )

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
          await noteFailure(parts, held, error)
        }
      })
    } catch (error) {
      // Another node is at it, or it was removed meanwhile.
      if (!isFault(error, 'in-use') && !isFault(error, 'not-found')) throw error
    }
  }
  return { settings: settingsNow, issuer: issuerNow, find, openKey, holding, orderNow, isAnnounced, visit }
}

async function noteFailure({ store, clock, log }: OrderParts, row: Row, error: unknown): Promise<void> {
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
