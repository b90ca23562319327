export * from './certificates.ts'
export { channelBindings } from './channel-bindings.ts'
export { type CertificatePair, createSelfSigned } from './self-signed.ts'
