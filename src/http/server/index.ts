export * from './listen.ts'
export * from './types.ts'
