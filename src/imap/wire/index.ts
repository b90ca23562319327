export * from './body-structure.ts'
export * from './envelope.ts'
