export * from './resolver.ts'
export * from './types.ts'
export * from './zone.ts'
