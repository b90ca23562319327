// The server's side of TLS: which certificate a connection gets by the name that its client asks for. Opens no connection.

import { createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocketOptions } from 'node:tls'

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
