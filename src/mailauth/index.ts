export * from './dane.ts'
export { type Dane, lookUpDane } from './dane-lookup.ts'
export {
  type DkimAlgorithm,
  dkimAlgorithms,
  isSameRecord,
  lookForDkimRecord,
  makeDkimKey,
  type Published,
  toDkimRecord,
} from './dkim-key.ts'
export {
  type CheckedRecord,
  checkRecords,
  type DomainFacts,
  type RecordPurpose,
  type RecordSources,
  type WantedRecord,
  wantedRecords,
} from './domain-records.ts'
export * from './mtasts.ts'
export { organizationOf } from './organization.ts'
export { type DkimSigningKey, openDkimKey, signDkim } from './sign.ts'
export * from './spf/index.ts'
export * from './tls-result.ts'
export * from './types.ts'
export { createVerifier, type Unverified, type Verifier, type VerifierOptions } from './verify.ts'
