export * from './dot.ts'
export * from './line.ts'
export * from './reply.ts'
export * from './xtext.ts'
