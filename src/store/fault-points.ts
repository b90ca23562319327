// The places where a test may kill the process: one between every pair of durable steps.

export const faultPoints = [
  'blob.created',
  'blob.written',
  'blob.synced',
  'blob.renamed',
  'blob.folder-synced',
  'blob.removed',
  'write.begin',
  'write.worked',
  'write.before-commit',
  'write.committed',
] as const

export type FaultPoint = (typeof faultPoints)[number]
