export * from './address.ts'
export * from './domain.ts'
export * from './rewritten.ts'
export * from './types.ts'
