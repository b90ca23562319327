export * from './address.ts'
export * from './domain.ts'
export * from './types.ts'
