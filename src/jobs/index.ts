export { enqueueJob, ensureJob } from './enqueue.ts'
export { fileAgeMs, housekeepingHandlers, pruneChanges, scheduleHousekeeping, sweepContents } from './housekeeping.ts'
export { createJobRunner, type JobRunnerOptions, retryAfter } from './runner.ts'
export * from './types.ts'
