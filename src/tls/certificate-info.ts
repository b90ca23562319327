// What people and programs are told of a certificate. Knows no secrets.

import { createHash } from 'node:crypto'
import type { certificateRows } from '../store/index.ts'
import { publicKeyOf, readCertificate } from './request.ts'

export interface CertificateInfo {
  readonly name: string
  readonly names: readonly string[]
  /** Of files and self-signed ones the store knows nothing. */
  readonly source: 'file' | 'self-signed' | 'acme' | 'imported'
  /** `waiting`: there is none yet. */
  readonly state: 'valid' | 'waiting' | 'ended'
  readonly notBefore?: number
  readonly notAfter?: number
  /** Whole days, rounded down; negative once it has ended. */
  readonly daysLeft?: number
  readonly issuer?: string
  readonly serial?: string
  readonly fingerprint?: string
  readonly authority?: string
  readonly renewAt?: number
  /** Why the last attempt failed, and when the next one comes. */
  readonly error?: string
  readonly retryAt?: number
  /** Of its key, as a TLSA record has it. */
  readonly tlsa?: string
  /** Of the key that comes next: to be published beside it. */
  readonly nextTlsa?: string
}

const dayMs = 86_400_000

/** A row with or without its chain; `nextKey`: PEM. */
export function toInfo(
  row: certificateRows.CertificateRow & { readonly chain?: string },
  nextKey: string | null,
  now: number,
): CertificateInfo {
  const { not_before: notBefore, not_after: notAfter, renew_at: renewAt } = row
  return {
    name: row.name,
    names: JSON.parse(row.names) as string[],
    source: row.source,
    state: notAfter === null ? 'waiting' : notAfter > now ? 'valid' : 'ended',
    ...(notBefore !== null && { notBefore }),
    ...(notAfter !== null && { notAfter, daysLeft: Math.floor((notAfter - now) / dayMs) }),
    ...(row.directory !== '' && { authority: row.directory }),
    ...(renewAt !== null && { renewAt }),
    ...(row.error !== '' && { error: row.error, retryAt: row.due_at }),
    ...(row.chain && of(row.chain)),
    ...(nextKey !== null && { nextTlsa: toTlsaText(nextKey) }),
  }
}

/** One that stands in a file. */
export function toFileInfo(cert: string, source: 'file' | 'self-signed', now: number): CertificateInfo {
  const { names, notBefore, notAfter } = readCertificate(cert)
  return {
    name: names[0] ?? '',
    names,
    source,
    state: notAfter > now ? 'valid' : 'ended',
    notBefore,
    notAfter,
    daysLeft: Math.floor((notAfter - now) / dayMs),
    ...of(cert),
  }
}

function of(chain: string) {
  const { issuer, serial, fingerprint } = readCertificate(chain)
  return { issuer, serial, fingerprint, tlsa: toTlsaText(chain) }
}

/** `3 1 1 …` (RFC 7671 §5.1) of a certificate or private key, PEM. */
export const toTlsaText = (pem: string): string =>
  `3 1 1 ${createHash('sha256').update(publicKeyOf(pem)).digest('hex')}`
