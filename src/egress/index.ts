export { createAcmeTransport } from './acme-transport.ts'
