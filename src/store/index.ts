export { type FaultPoint, faultPoints } from './fault-points.ts'
export { blockSize, createBlock, type PackedBlock } from './flag-block.ts'
export { loadKey } from './keys.ts'
export { openReadStore, openStore } from './open.ts'
export * as accountRows from './rows/account.ts'
export * as aclRows from './rows/acl.ts'
export * as aliasRows from './rows/alias.ts'
export * as annotationRows from './rows/annotation.ts'
export * as blobRows from './rows/blob.ts'
export * as certificateRows from './rows/certificate.ts'
export * as changeRows from './rows/change.ts'
export * as contentRows from './rows/content.ts'
export * as dkimKeyRows from './rows/dkim-key.ts'
export * as domainRows from './rows/domain.ts'
export * as entryRows from './rows/entry.ts'
export * as fetchBlockRows from './rows/fetch-block.ts'
export * as flagRows from './rows/flag.ts'
export type { Heights } from './rows/indexing.ts'
export * as indexingRows from './rows/indexing.ts'
export * as jobRows from './rows/job.ts'
export * as mailboxRows from './rows/mailbox.ts'
export * as messageRows from './rows/message.ts'
export * as metaRows from './rows/meta.ts'
export * as queueRows from './rows/queue.ts'
export * as queueLaneRows from './rows/queue-lane.ts'
export * as queueRuleRows from './rows/queue-rule.ts'
export * as sentRows from './rows/sent.ts'
export * as subscriptionRows from './rows/subscription.ts'
export * as suppressionRows from './rows/suppression.ts'
export * as threadRows from './rows/thread.ts'
export * as traceRows from './rows/trace.ts'
export { type Candidates, openSearchReader, type SearchReader } from './search/reader.ts'
export { blocksPerStatement, type FactBlock, type PackedMailbox, type Wanted } from './search/rows.ts'
export {
  checkSearchFile,
  type IndexedText,
  type IndexPage,
  openSearchWriter,
  type Progress,
  type SearchWriter,
  type StoreFacts,
} from './search/writer.ts'
export { keepLocked, oneOf, skipLocked, sql, toBuffer } from './sql.ts'
export * from './types.ts'
