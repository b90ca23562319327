// Who stands at the other end of TLS: whether the authorities vouch for its certificate, or who asks says that it will do.

import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { ConnectionFault } from './fault.ts'
import type { CertificateFlaw, ClientOptions, ConnectionTls } from './types.ts'

/** Of a finished handshake. ConnectionFault at `tls` when the certificate is none that `options` take. */
export function inspectPeer(socket: TLSSocket, { verify, judge, host }: ClientOptions): ConnectionTls {
  const { name, standardName } = socket.getCipher()
  const flaw = socket.authorized ? undefined : toFlaw(socket.authorizationError)
  const refused = judge ? judge({ chain: chainOf(socket) }) : verify ? flaw : undefined
  if (refused) throw new ConnectionFault('tls', `TLS with ${host}: ${refused.words}`, undefined, { tls: refused.kind })
  return {
    version: socket.getProtocol() ?? 'TLS',
    cipher: standardName ?? name,
    authorized: judge !== undefined || flaw === undefined,
    ...(flaw && { flaw }),
  }
}

/** A server may show more than any chain needs. */
const maxChain = 10

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  for (; next && chain.length < maxChain; next = next.issuerCertificate) {
    // One that issued itself is its own issuer.
    if (chain.some(({ fingerprint256 }) => fingerprint256 === next?.fingerprint256)) break
    chain.push(next)
  }
  return chain
}

const untrusted = ['SELF_SIGNED', 'UNABLE_TO_GET_ISSUER', 'UNABLE_TO_VERIFY_LEAF', 'CERT_UNTRUSTED', 'CERT_REJECTED']

/** OpenSSL's and Node's codes, as TLS reports name what they mean (RFC 8460 §4.3.1). */
function toFlaw(error: Error | string | null | undefined): CertificateFlaw {
  const code =
    typeof error === 'string' ? error : ((error as NodeJS.ErrnoException | null)?.code ?? error?.message ?? '')
  if (code.includes('ALTNAME') || code.includes('HOSTNAME'))
    return { kind: 'certificate-host-mismatch', words: 'its certificate is not for its name' }
  if (code === 'CERT_HAS_EXPIRED') return { kind: 'certificate-expired', words: 'its certificate has expired' }
  if (untrusted.some((word) => code.includes(word)))
    return {
      kind: 'certificate-not-trusted',
      words: `no authority that we trust vouches for its certificate (${code})`,
    }
  return { kind: 'validation-failure', words: `its certificate will not do (${code.slice(0, 100)})` }
}
