// The server's certificate: from the files that the operator names, or one of our own kept in the data folder.
// Gives TLS contexts; opens no connection.

import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { Fault } from '../base/index.ts'
import { type CertificatePair, createSelfSigned, stillServes } from './self-signed.ts'

export interface CertificateSource {
  readonly hostname: string
  /** Folder of our own certificate. */
  readonly folder: string
  /** The operator's files; absent: self-signed. */
  readonly files?: { readonly cert: string; readonly key: string }
}

/** Reads the certificate, making and keeping one when none is given. Fault `invalid` names the file and what is wrong with it. */
export function loadCertificate(source: CertificateSource, now: number): CertificatePair {
  const pair = source.files ? readFiles(source.files) : keepOwn(source, now)
  const files = source.files ?? ownFiles(source.folder)
  try {
    createSecureContext(tlsOptions(pair))
  } catch (error) {
    throw new Fault('invalid', `tls: ${files.cert} and ${files.key} do not serve: ${words(error)}`)
  }
  return pair
}

/** What every TLS server of the house is opened with: RFC 8996 leaves 1.2 and newer. */
export function tlsOptions({ cert, key }: CertificatePair): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2' }
}

const contexts = new WeakMap<SecureContextOptions, SecureContext>()

/** One context per set of options: a handshake parses no certificate, and a client may resume a session at any door that has these options. */
export function secureContext(options: SecureContextOptions): SecureContext {
  let context = contexts.get(options)
  if (!context) contexts.set(options, (context = createSecureContext({ minVersion: 'TLSv1.2', ...options })))
  return context
}

/** SHA-256 of the certificate as people compare it, and when it ends. */
export function describeCertificate(pem: string): { fingerprint: string; validTo: string; subject: string } {
  const found = new X509Certificate(pem)
  const validTo = new Date(found.validTo).toISOString().slice(0, 10)
  return { fingerprint: found.fingerprint256, validTo, subject: found.subject.replace(/^CN=/, '') }
}

function readFiles(files: { cert: string; key: string }): CertificatePair {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      throw new Fault('invalid', `tls: cannot read ${path}: ${words(error)}`)
    }
  }
  return { cert: read(files.cert), key: read(files.key) }
}

const ownFiles = (folder: string) => ({ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') })

/** The kept certificate while it names us and has a month to go; else a new one. */
function keepOwn({ folder, hostname }: CertificateSource, now: number): CertificatePair {
  const names = [...new Set([hostname, 'localhost', '127.0.0.1', '::1'])]
  const files = ownFiles(folder)
  try {
    const kept = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
    if (stillServes(kept.cert, names, now) && matches(kept)) return kept
  } catch {
    // Absent or damaged: it is made anew.
  }
  const made = createSelfSigned(names, now)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeWhole(files.key, made.key, 0o600)
  writeWhole(files.cert, made.cert, 0o644)
  return made
}

function matches(pair: CertificatePair): boolean {
  createSecureContext(tlsOptions(pair))
  return true
}

function writeWhole(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode })
  renameSync(`${path}.new`, path)
}

const words = (error: unknown) => {
  if (!(error instanceof Error)) return String(error)
  return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : error.message
}
