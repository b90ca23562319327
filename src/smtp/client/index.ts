export { connectSmtp, defaultTimeouts } from './connect.ts'
export * from './fault.ts'
export * from './types.ts'
