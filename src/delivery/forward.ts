// Under which sender forwarded mail leaves, and to whom what comes back for it belongs. Reads only, in any thread.

import type { DomainPolicies } from '../accounts/index.ts'
import { type Address, formatAddress, isRewritten, MAX_REWRITTEN, type Path } from '../address/index.ts'
import type { Clock } from '../base/index.ts'
import { metaRows, type ReadStore } from '../store/index.ts'
import { formatRewritten, readRewritten, srsKey, type Unreturnable } from './srs.ts'

export interface Rewriter {
  /** The reverse-path of a message that goes on because `via`, an address here, leads outside. */
  forward(sender: Path, via: Address): Promise<Path>
  /** To whom mail for one of our rewritten addresses belongs; undefined: it is none, or not of a domain of ours. */
  back(address: Address): Promise<Address | Unreturnable | undefined>
}

/** The key, that of `srsKey`, must have been made. */
export function createRewriter({
  store,
  clock,
  policies,
}: {
  readonly store: ReadStore
  readonly clock: Clock
  readonly policies: DomainPolicies
}): Rewriter {
  let key: Buffer | undefined
  return {
    async forward(sender, via) {
      if (sender === null) return null
      return store.read(async (tx) => {
        const ours = await policies.of(tx, via.domain)
        if (!ours || ours.settings.backupMx || ours.settings.srs === false) return sender
        const senders = await policies.of(tx, sender.domain)
        // Whoever may send for our domains may send through us.
        if (senders && !senders.settings.backupMx) return sender
        key ??= await metaRows.findKey(tx, srsKey)
        const rewritten = key ? formatRewritten(key, sender, via.domain, clock.now()) : sender
        // A bounce that nobody can deliver here helps no one.
        return Buffer.byteLength(formatAddress({ ...rewritten, domain: '' })) > MAX_REWRITTEN ? sender : rewritten
      })
    },
    async back(address) {
      if (!isRewritten(address.local)) return undefined
      return store.read(async (tx) => {
        const ours = await policies.of(tx, address.domain)
        if (!ours || ours.settings.backupMx) return undefined
        key ??= await metaRows.findKey(tx, srsKey)
        return key ? readRewritten(key, address, clock.now()) : 'forged'
      })
    },
  }
}
