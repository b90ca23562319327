// The server's side of TLS: which certificate a connection gets by the name that its client asks for. Opens no connection.

import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TLSSocketOptions,
} from 'node:tls'

/** What a door offers: the certificate for clients that name no host, and those of names. */
export interface ServerTls extends SecureContextOptions {
  /** The certificate for a host name, as clients write it; undefined: the first one. */
  readonly byName?: (servername: string) => SecureContextOptions | undefined
}

const contexts = new WeakMap<SecureContextOptions, SecureContext>()

/** One context per set of options: a handshake parses no certificate, and a client may resume a session at any door that has these options. */
export function secureContext(options: SecureContextOptions): SecureContext {
  let context = contexts.get(options)
  if (!context) {
    const { byName: _, ...plain } = options as ServerTls
    contexts.set(options, (context = createSecureContext({ minVersion: 'TLSv1.2', ...plain })))
  }
  return context
}

/** How a connection becomes one over TLS. */
export function serverSide(options: ServerTls): TLSSocketOptions {
  const { byName } = options
  return {
    isServer: true,
    secureContext: secureContext(options),
    ...(byName && { SNICallback: (name, done) => done(null, contextFor(byName, name)) }),
  }
}

function contextFor(byName: NonNullable<ServerTls['byName']>, name: string): SecureContext | undefined {
  const found = byName(name)
  return found && secureContext(found)
}

const offered = new WeakMap<TLSSocket, ServerTls>()

/** Keeps with a connection what it was offered: certificates change while it lives. */
export function remember<T extends TLSSocket>(socket: T, options: ServerTls): T {
  offered.set(socket, options)
  return socket
}

/**
 * The certificate of this very connection, PEM; undefined when OpenSSL knows it itself. When a session is resumed no certificate is sent, and
 * OpenSSL thinks of the first one: it is that of the name. It cannot have changed, because every change of certificates begins
 * with new keys for sessions (see `createServerTls`).
 */
export function resumedCertificate(socket: TLSSocket): string | undefined {
  if (!socket.isSessionReused()) return undefined
  const options = offered.get(socket)
  const name = (socket as { servername?: string | false | null }).servername
  const found = name ? (options?.byName?.(name) ?? options) : options
  return found?.cert === undefined ? undefined : String(found.cert)
}
