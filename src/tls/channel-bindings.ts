// What both ends of a TLS connection know it by (RFC 5056), for SASL: a man in the middle has two connections, and their data differ.

import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { ChannelBindings } from '../sasl/index.ts'

/** The bindings of the server's side of a connection whose handshake is done; computed when asked for. */
export function channelBindings(socket: TLSSocket): ChannelBindings {
  return (type) => (Object.hasOwn(types, type) ? types[type]!(socket) : undefined)
}

const types: Readonly<Record<string, (socket: TLSSocket) => Buffer | undefined>> = {
  /** RFC 9266 §2. Under TLS 1.2 it is safe only with the extended master secret, of which Node tells nothing. */
  'tls-exporter': (socket) =>
    socket.getProtocol() === 'TLSv1.3'
      ? socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
      : undefined,
  /** RFC 5929 §3: the first Finished message, which is ours when a session is resumed. RFC 8446 §C.5 leaves none under TLS 1.3. */
  'tls-unique': (socket) => {
    if (socket.getProtocol() !== 'TLSv1.2') return undefined
    return socket.isSessionReused() ? socket.getFinished() : socket.getPeerFinished()
  },
  /** RFC 5929 §4. The same for all connections, so it proves less; some clients have no other. */
  'tls-server-end-point': (socket) => {
    const certificate = socket.getX509Certificate()
    const hash = endPointHash(certificate?.signatureAlgorithm)
    return hash === undefined ? undefined : createHash(hash).update(certificate!.raw).digest()
  },
}

/** RFC 5929 §4.1: the hash of the certificate's signature, SHA-256 in place of MD5 and SHA-1; undefined when it has none of its own. */
function endPointHash(signature: string | undefined): string | undefined {
  const name = signature?.toLowerCase() ?? ''
  if (name.includes('md5') || name.endsWith('sha1') || name.startsWith('sha1')) return 'sha256'
  return ['sha224', 'sha256', 'sha384', 'sha512'].find((hash) => name.includes(hash))
}
