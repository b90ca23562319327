// Looks at the operator's certificate files each minute: who renews them need not tell us. A broken new file changes nothing but the log.

import { type Clock, isFault, type Log } from '../base/index.ts'
import { type CertificateSource, type FileCertificates, loadCertificates, stampFiles } from './certificates.ts'

const lookEveryMs = 60_000

export interface WatchedFiles {
  /** Of the moment; what could not be read last time is as it was before. */
  readonly current: FileCertificates
  /** Why the files as they are now do not serve; undefined while they do. */
  problem(): string | undefined
  /** Other files, or the same read anew. Fault `invalid`, and then nothing has changed. */
  use(source: CertificateSource): FileCertificates
  /** Looks now. */
  look(): void
  stop(): void
}

/** Reads the files, and again when one of them has changed: then `changed` is told. Fault `invalid` when they do not serve now. */
export function watchFiles(parts: {
  readonly source: CertificateSource
  readonly changed: (found: FileCertificates) => void
  readonly clock: Clock
  readonly log: Log
}): WatchedFiles {
  const { clock, log, changed } = parts
  let { source } = parts
  let problem: string | undefined
  const stamp = () => stampFiles([...(source.files ? [source.files] : []), ...(source.more ?? [])])
  let seen = stamp()
  let current = loadCertificates(source, clock.now())
  let cancel = () => {}

  const look = () => {
    const now = stamp()
    if (now === seen) return
    seen = now
    try {
      current = loadCertificates(source, clock.now())
      problem = undefined
      log.info({}, 'tls: the certificate files have changed: new connections get the new certificates')
      changed(current)
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
      log.error(
        { error: problem },
        'tls: the changed certificate files do not serve: the certificates from before are kept',
      )
      if (!isFault(error)) log.error({ err: error }, 'tls: certificate files could not be looked at')
    }
  }
  const tick = () => {
    look()
    cancel = clock.after(lookEveryMs, tick)
  }
  cancel = clock.after(lookEveryMs, tick)
  return {
    get current() {
      return current
    },
    problem: () => problem,
    look,
    use(next) {
      const found = loadCertificates(next, clock.now())
      source = next
      seen = stamp()
      problem = undefined
      return (current = found)
    },
    stop: () => cancel(),
  }
}
