// What an account may hold, changed by an administrator. What it holds is counted where messages come and go.

import { type AccountId, Fault } from '../base/index.ts'
import { accountRows, type Writer } from '../store/index.ts'
import type { QuotaLimits } from './types.ts'

/** See MailWrites.setQuota. */
export async function setQuota(tx: Writer, actor: AccountId, owner: AccountId, limits: QuotaLimits): Promise<void> {
  if ((await accountRows.find(tx, actor))?.admin !== 1)
    throw new Fault('denied', 'quotas are set by an administrator of this server')
  const row = await accountRows.find(tx, owner)
  if (!row) throw new Fault('not-found', 'there is no such account')
  await accountRows.setProperties(tx, owner, {
    name: row.name,
    admin: row.admin === 1,
    quotaBytes: limits.quotaBytes ?? null,
    quotaMessages: limits.quotaMessages ?? null,
  })
  // Who believes that an account has no limit looks again.
  tx.ring('accounts')
}
