// Fetches the MTA-STS policy of a domain. Keeps nothing.

import { type Egress, EgressFault } from '../egress/index.ts'
import type { StsPolicy, TlsOutcome } from '../mailauth/index.ts'

export interface FetchedPolicy {
  readonly policy: StsPolicy
  readonly text: string
}
export interface PolicyProblem {
  readonly problem: string
  readonly outcome: TlsOutcome
}

/** RFC 8461 §3.3. */
const fetchTimeout = 60_000

/** RFC 8461 §3.3: from the one host that may serve it, over TLS with a certificate for it, without redirects. */
export async function fetchStsPolicy(
  { egress, port = 443 }: { readonly egress: Pick<Egress, 'fetch'>; readonly port?: number | undefined },
  domain: string,
): Promise<FetchedPolicy | PolicyProblem> {
  const { maxPolicyBytes, parseStsPolicy } = await import('../mailauth/index.ts')
  const url = `https://mta-sts.${domain}${port === 443 ? '' : `:${port}`}/.well-known/mta-sts.txt`
  try {
    const { status, headers, body } = await egress.fetch({ url, maxBytes: maxPolicyBytes, timeoutMs: fetchTimeout })
    if (status !== 200) return { problem: `${url} answers ${status}`, outcome: 'sts-policy-fetch-error' }
    const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
    // RFC 8461 §3.2: else whoever may put a page there could put a policy there.
    if (type !== 'text/plain')
      return { problem: `${url} is ${type || 'of no type'}, not text/plain`, outcome: 'sts-policy-invalid' }
    const text = body.toString('utf8')
    const policy = parseStsPolicy(text)
    if ('problem' in policy) return { problem: `${url}: ${policy.problem}`, outcome: 'sts-policy-invalid' }
    return { policy, text }
  } catch (error) {
    if (!(error instanceof EgressFault)) throw error
    const outcome = error.problem === 'certificate' ? 'sts-webpki-invalid' : 'sts-policy-fetch-error'
    return { problem: error.message, outcome }
  }
}
