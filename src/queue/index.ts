export type { Connect } from './attempt.ts'
export type { Outcome } from './batch.ts'
export { cutHeader } from './content.ts'
export { inMailbox, type LocalRetry } from './local.ts'
export { createQueue, type Queue, type QueueOptions, type QueueSettings } from './queue.ts'
export type { Settled, Witness } from './record.ts'
export type { Report } from './report.ts'
export type { Reporter } from './reporter.ts'
export { looksSigned, returnPathKey } from './return-path.ts'
export {
  createReturnedReads,
  mayComplain,
  type Returned,
  type ReturnedReads,
  returnedHandlers,
  scheduleForgetting,
} from './returned.ts'
export { parseRoute, parseRoutes, type Route, type Routes } from './route.ts'
export type { NewQueueRule, QueueRule } from './rules.ts'
export { defaultSchedule, type Schedule } from './schedule.ts'
export { createReturnPathSigner, type ReturnPathSigner, returnableMs } from './signer.ts'
export type { SiteState } from './site.ts'
export { createSources, type SourceOptions } from './sources.ts'
export { createStsPolicies, type Sts, type StsPolicies, scheduleStsRefresh } from './sts.ts'
export { fetchStsPolicy } from './sts-fetch.ts'
export {
  createSuppressionReads,
  createSuppressions,
  describeClass,
  type SuppressionReads,
  type Suppressions,
  suppressedWords,
} from './suppression.ts'
export { createSuppressionAdmin } from './suppression-admin.ts'
export type { Tallied } from './tally.ts'
export { parseTlsWords, type TlsWord } from './tls-policy.ts'
export type { HostView, TlsView } from './tls-view.ts'
export * from './types.ts'
