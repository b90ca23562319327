// An account that was disabled or removed keeps no connection: every door with signed-in sessions ends theirs through this.

import type { AccountId, Log } from '../base/index.ts'
import type { Bell } from '../store/index.ts'
import type { AccountReads } from './types.ts'

/** A session as far as this must know it. */
export interface LiveSession {
  readonly login: { readonly account: AccountId } | undefined
  stop(reason: string): void
}

/** Looks at the accounts of `sessions` whenever some account changed; the returned function ends that. */
export function endLostSessions(
  services: { readonly bell: Bell; readonly accounts: Pick<AccountReads, 'account'> },
  sessions: () => Iterable<LiveSession>,
  log: Log,
): () => void {
  const check = async () => {
    const accounts = new Set<AccountId>()
    for (const { login } of sessions()) if (login) accounts.add(login.account)
    for (const id of accounts) {
      const account = await services.accounts.account(id)
      if (account && !account.disabled) continue
      for (const session of sessions()) if (session.login?.account === id) session.stop('the account was disabled')
    }
  }
  return services.bell.on((ring) => {
    if (!('topic' in ring) || ring.topic !== 'accounts') return
    check().catch((error: unknown) => log.error({ err: error }, 'accounts could not be checked'))
  })
}
