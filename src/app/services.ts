// What commands may ask of a server, whether it runs (over the control socket) or not (the store opened under its lock).

import type { AccountReads, AccountWrites } from '../accounts/index.ts'
import type { QueueAdmin } from '../queue/index.ts'

/** The part of AccountReads that survives JSON. */
export type AccountQueries = Pick<AccountReads, 'findAccount' | 'domains' | 'aliases' | 'accounts'>

export interface ServerAdmin {
  status(): Promise<{ version: string; pid: number; startedAt: number }>
}

export interface AdminServices {
  readonly queries: AccountQueries
  readonly accounts: AccountWrites
  readonly queue: QueueAdmin
}
