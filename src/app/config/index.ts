export * from './load.ts'
export * from './reload.ts'
export type { ListenerName } from './schema.ts'
export { type Endpoint, formatEndpoint } from './units.ts'
