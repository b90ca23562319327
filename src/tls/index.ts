export * from './certificates.ts'
export { type CertificatePair, createSelfSigned } from './self-signed.ts'
