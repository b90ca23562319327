// Whose name a domain is: the organizational domain, found by walking up the DNS (RFC 9989 §4.10).

import type { Resolver } from '../dns/index.ts'
import { commonJs } from './library.ts'
import { toLibrary } from './lookups.ts'

/** In the form of `domain`; undefined when the DNS does not answer now. */
export async function organizationOf(dns: Resolver, domain: string): Promise<string | undefined> {
  const { createRecordLookup, getOrgDomain } = await commonJs(import('mailauth/lib/dmarc/get-dmarc-record.js'))
  try {
    return await getOrgDomain(domain, createRecordLookup(toLibrary(dns), { strict: true }))
  } catch {
    return undefined
  }
}
