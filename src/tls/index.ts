export type { Issuer, IssuerParts } from './acme/issuer.ts'
export type { AcmeSettings, ChallengeType, DnsSettings, RevocationReason, Transport } from './acme/types.ts'
export { createServerTls, tlsOptions } from './by-name.ts'
export type { CertificateAdmin } from './certificate-admin.ts'
export { type CertificateInfo, toTlsaText } from './certificate-info.ts'
export * from './certificates.ts'
export { channelBindings } from './channel-bindings.ts'
export { openDoorCertificates } from './door-certificates.ts'
export { createKeeper, type Keeper } from './keeper.ts'
export { type KeyType, keyTypes } from './request.ts'
export { type CertificatePair, createSelfSigned } from './self-signed.ts'
export { type ServerTls, secureContext, serverSide } from './server-side.ts'
export { type WatchedFiles, watchFiles } from './watch.ts'

/** What speaks with authorities; loaded when the first certificate is due. */
export const loadIssuer = async () => (await import('./acme/issuer.ts')).createIssuer
