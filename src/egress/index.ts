import type { createAcmeTransport } from './acme-transport.ts'

export { createAddressTest } from './addresses.ts'
export { createEgress } from './egress.ts'
export * from './types.ts'

/** The client of certificate authorities; loaded when a certificate is ordered. */
export async function openAcmeTransport(
  ...options: Parameters<typeof createAcmeTransport>
): Promise<ReturnType<typeof createAcmeTransport>> {
  return (await import('./acme-transport.ts')).createAcmeTransport(...options)
}
