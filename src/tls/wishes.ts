// Which certificates should be there: for this server's own name, and for the names of each domain that lead here. Puts wishes into the store.

import type { Clock, Log } from '../base/index.ts'
import type { CaaResolver } from '../dns/index.ts'
import { certificateRows, type Store } from '../store/index.ts'
import type { AcmeSettings } from './acme/types.ts'

export interface WishParts {
  readonly store: Store
  readonly resolver: CaaResolver
  readonly hostname: string
  readonly addresses: () => readonly string[]
  /** Names of our domains. */
  readonly domains: () => Promise<readonly string[]>
  /** Whether the web door speaks TLS. */
  readonly web: () => boolean
  readonly clock: Clock
  readonly log: Log
}

/** Looked for by senders (RFC 8461 §3.3) and by mail programs. */
const services = ['mta-sts', 'autoconfig', 'autodiscover']
const lookEveryMs = 6 * 3_600_000

export function createWishes(parts: WishParts) {
  const { store, clock, log, hostname } = parts
  let lookedAt = Number.NEGATIVE_INFINITY
  let warned = false

  const wish = async (names: readonly string[], { directory }: AcmeSettings) => {
    const text = JSON.stringify(names)
    await store.write('server', async (tx) => {
      const known = await certificateRows.find(tx, names[0]!)
      // What somebody imported under this name stays.
      if (known && (known.names === text || known.source === 'imported')) return
      await certificateRows.put(tx, { name: names[0]!, names: text, source: 'acme', directory })
    })
  }
  const own = async (settings: AcmeSettings, hasOwn: boolean) => {
    const { checkForm } = await import('./acme/checks.ts')
    const names = hasOwn ? settings.names : [hostname, ...settings.names]
    if (names.length === 0) return
    try {
      for (const name of names) checkForm(name, settings.challenge)
    } catch (error) {
      if (!warned) log.warn({ error: (error as Error).message }, 'acme: no certificate is ordered for this server')
      warned = true
      return
    }
    await wish([...new Set(names)], settings)
  }
  const ofDomains = async (settings: AcmeSettings) => {
    if (!settings.domains || !parts.web() || clock.monotonic() - lookedAt < lookEveryMs) return
    lookedAt = clock.monotonic()
    const { leadsHere } = await import('./acme/checks.ts')
    for (const domain of await parts.domains())
      for (const service of services) {
        const name = `${service}.${domain}`
        if (await leadsHere(parts, name)) await wish([name], settings)
      }
  }
  return {
    /** `hasOwn`: a certificate of this server's own name stands in a file. */
    async ensure(settings: AcmeSettings, hasOwn: boolean): Promise<void> {
      await own(settings, hasOwn)
      await ofDomains(settings)
    },
  }
}
