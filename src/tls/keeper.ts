// Keeps certificates: what is wished for, due or failing, and who looks after it. One job of the store for all nodes.

import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import { certificateRows } from '../store/index.ts'
import { type AdminParts, type CertificateAdmin, createCertificateAdmin } from './certificate-admin.ts'
import { createOrders, warnMs } from './orders.ts'
import { createWishes, type WishParts } from './wishes.ts'

export interface Keeper {
  readonly admin: CertificateAdmin
  readonly handlers: Pick<JobHandlers, 'tend-certificates'>
  /** Looks after all that is due, now and from time to time. */
  begin(): Promise<void>
  /** What somebody should see to, by name of the certificate. */
  remarks(): Promise<Readonly<Record<string, string>>>
}

export interface KeeperParts extends WishParts, Omit<AdminParts, keyof WishParts> {
  /** Why the files as they are now do not serve. */
  readonly problem: () => string | undefined
}

const tendEveryMs = 600_000
const atOnce = 20

export function createKeeper(parts: KeeperParts): Keeper {
  const { store, clock } = parts
  const wishes = createWishes(parts)
  const orders = createOrders(parts)
  const admin = createCertificateAdmin(parts, orders)
  const tend = async (): Promise<void> => {
    const settings = parts.settings()
    if (!settings) return
    await wishes.ensure(settings, parts.files().first !== undefined)
    for (const row of await store.read((tx) => certificateRows.due(tx, clock.now(), atOnce))) await orders.visit(row)
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
