// What one part of the program asks of another: the doors of the core, commands of the server (running or not).

import type { AbuseAdmin, AbuseCounts } from '../abuse/index.ts'
import type { AccountReads, AccountWrites, DkimAdmin, MaildropLocks } from '../accounts/index.ts'
import type { Clock, Log } from '../base/index.ts'
import type { Delivery, QuarantineAdmin } from '../delivery/index.ts'
import type { Resolver } from '../dns/index.ts'
import type { SpamAdmin } from '../filters/index.ts'
import type { Health } from '../http/server/index.ts'
import type { MailWrites } from '../mail/index.ts'
import type { QueueAdmin, SuppressionAdmin } from '../queue/index.ts'
import type { ReportNotes, ReportsAdmin } from '../reports/index.ts'
import type { CertificateAdmin } from '../tls/index.ts'
import type { TraceNotes, TraceReads } from '../trace/index.ts'
import type { Config } from './config/index.ts'

/** The part of AccountReads that survives JSON. */
export type AccountQueries = Pick<AccountReads, 'findAccount' | 'domains' | 'aliases' | 'accounts'>

export interface ServerAdmin {
  status(): Promise<{ version: string; pid: number; startedAt: number }>
}

export interface AdminServices {
  readonly queries: AccountQueries
  readonly accounts: AccountWrites
  readonly queue: QueueAdmin
  readonly suppressions: SuppressionAdmin
  readonly trace: TraceReads
  readonly dkim: DkimAdmin
  readonly quarantine: QuarantineAdmin
  readonly spam: SpamAdmin
  readonly abuse: AbuseAdmin
  readonly reports: ReportsAdmin
  readonly certificates: CertificateAdmin
}

/** What a thread works with. */
export interface Surroundings {
  readonly clock: Clock
  readonly log: Log
  readonly fault?: (point: string) => void
  /** Absent: the resolver that the configuration names. It crosses no port: only doors in the core's own thread are given one. */
  readonly dns?: Resolver
}

/** What the doors may ask of the core, over a port. */
export interface CoreServices {
  readonly mail: MailWrites
  readonly accounts: AccountWrites
  readonly delivery: Delivery
  readonly maildrops: MaildropLocks
  readonly trace: TraceNotes
  readonly abuse: AbuseCounts
  readonly reports: ReportNotes
  readonly core: CoreFacts
}
export interface CoreFacts {
  health(): Promise<Health>
  /** Prometheus text of the whole process. */
  metrics(): Promise<string>
}

/** How a thread opens the store that the configuration names. */
export const storeOptions = (config: Config, { clock, log }: Surroundings) => ({
  store: config.store,
  data: config.data,
  ...(config.blobs !== undefined && { blobs: config.blobs }),
  clock,
  log,
})
