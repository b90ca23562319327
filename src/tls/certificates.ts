// Certificates in files: those that the operator names, and one of our own kept in the data folder. Opens no connection.

import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { Fault } from '../base/index.ts'
import { tlsOptions } from './by-name.ts'
import { checkPair, readCertificate } from './request.ts'
import { type CertificatePair, createSelfSigned, stillServes } from './self-signed.ts'

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export interface CertificateSource {
  readonly hostname: string
  /** Folder of our own certificate. */
  readonly folder: string
  /** The operator's files; absent: self-signed. */
  readonly files?: CertificateFiles
  /** Further ones, each for the names in it. */
  readonly more?: readonly CertificateFiles[]
}

/** What files hold: for the doors, which add what the store holds. */
export interface FileCertificates {
  readonly first?: CertificatePair
  readonly others: readonly CertificatePair[]
  /** For who asks for nobody's name while there is nothing better. */
  readonly fallback: CertificatePair
}

/** Reads all files, making and keeping a certificate of our own. Fault `invalid` names the file and what is wrong with it. */
export function loadCertificates(source: CertificateSource, now: number): FileCertificates {
  const first = source.files && readPair(source.files)
  return {
    ...(first && { first }),
    others: (source.more ?? []).map(readPair),
    fallback: first ?? keepOwn(source, now),
  }
}

/** Reads a certificate with its key. Fault `invalid` names the file and what is wrong with it. */
export function readPair(files: CertificateFiles): CertificatePair {
  const pair = readFiles(files)
  try {
    checkPair(pair)
    createSecureContext(tlsOptions(pair))
  } catch (error) {
    throw new Fault('invalid', `tls: ${files.cert} and ${files.key} do not serve: ${words(error)}`)
  }
  return pair
}

/** SHA-256 of the certificate as people compare it, and when it ends. */
export function describeCertificate(pem: string): { fingerprint: string; validTo: string } {
  const { fingerprint, notAfter } = readCertificate(pem)
  return { fingerprint, validTo: new Date(notAfter).toISOString().slice(0, 10) }
}

function readFiles(files: CertificateFiles): CertificatePair {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      throw new Fault('invalid', `tls: cannot read ${path}: ${words(error)}`)
    }
  }
  return { cert: read(files.cert), key: read(files.key) }
}

/** Changes whenever a file does: which file it is, when it was written and its size. A file that is not there counts too. */
export function stampFiles(files: readonly CertificateFiles[]): string {
  return files
    .flatMap(({ cert, key }) => [cert, key])
    .map(stamp)
    .join('\n')
}

function stamp(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch (error) {
    return words(error)
  }
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
