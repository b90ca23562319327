export {
  type ComplaintNote,
  createReportsAdmin,
  type DomainSummary,
  type OwnReport,
  type ReceivedReport,
  type ReportQuery,
  type ReportsAdmin,
  type ShownPolicy,
  type ShownRecord,
  type ShownReport,
  type Source,
} from './admin.ts'
export { type FailureOptions, toFailureJob } from './failure.ts'
export { type ReportJobsParts, reportHandlers, scheduleReports, sendDueReports } from './jobs.ts'
export { createReportNotes, createTlsRecorder, type NotesParts, type RecordTlsResult } from './notes.ts'
export {
  createObserver,
  type FailedMessage,
  type Judged,
  type Observed,
  type Observer,
  type ReportNotes,
} from './observe.ts'
export type { Sender } from './send.ts'
export { isReportAddress, mayReport } from './structure.ts'
export * from './types.ts'
