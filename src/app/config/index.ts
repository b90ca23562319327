export * from './load.ts'
export type { ListenerName } from './schema.ts'
export { type Endpoint, formatEndpoint } from './units.ts'
