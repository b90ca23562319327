export {
  createDkimAdmin,
  createDkimKeys,
  type DkimAdmin,
  type DkimKey,
  type DkimKeys,
  type DkimState,
} from './dkim.ts'
export { dkimHandlers, type RotationParts, scheduleDkimKeys, tendDkimKeys } from './dkim-rotation.ts'
export { endLostSessions, type LiveSession } from './end-lost.ts'
export { createMaildropLocks, type MaildropLocks } from './maildrop-locks.ts'
export { createMemory } from './memory.ts'
export {
  type AccountPolicy,
  createDomainPolicies,
  type DomainPolicies,
  type DomainPolicy,
  settingsOfAll,
} from './policies.ts'
export { type AccountReadsParts, createAccountReads } from './reads.ts'
export { saslVerifier } from './sasl-verifier.ts'
export {
  type DomainSettingKey,
  domainSettings,
  formatDomainSettings,
  parseDomainSetting,
  parseSize,
} from './settings.ts'
export {
  accountSettings,
  formatAccountSettings,
  joinAccountChanges,
  parseAccountSetting,
} from './settings-account.ts'
export * from './types.ts'
export { type AccountWritesParts, eraseAccount } from './write-accounts.ts'
export { createAccountWrites } from './writes.ts'
