export { createAddressTest } from './addresses.ts'
export { createEgress } from './egress.ts'
export * from './types.ts'
