export { checkSpf } from './check.ts'
export { isSpfRecord, parseSpf } from './parse.ts'
export type { SpfAnswer, SpfQuestion, SpfRecord, SpfResult } from './types.ts'
