// SCRAM (RFC 5802, RFC 7677), server side: the password never crosses the wire. The -PLUS mechanisms also prove that both sides
// stand at the ends of the same TLS connection.

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault, SyntaxFault } from '../base/index.ts'
import { parseBase64, parseSaslText, saslPrep } from './text.ts'
import type { ChannelBindings, SaslKeys, SaslMechanism, ScramHash } from './types.ts'

const hashNames = { 'SHA-1': 'sha1', 'SHA-256': 'sha256' } as const satisfies Record<ScramHash, string>
const hmac = (hash: ScramHash, key: Uint8Array, text: string) => createHmac(hashNames[hash], key).update(text).digest()

/** One mechanism; `plus`: with channel binding. Nonces come from `nonce` (printable ASCII, no comma). */
export function createScram(hash: ScramHash, plus: boolean, nonce = randomNonce): SaslMechanism {
  return {
    name: `SCRAM-${hash}${plus ? '-PLUS' : ''}`,
    plaintext: false,
    binds: plus,
    begin(verifier, bindings) {
      type Found = Awaited<ReturnType<typeof verifier.scram>>
      let step: 'first' | 'final' | 'proved' = 'first'
      let first: ClientFirst
      let binding: Buffer
      let serverFirst: string
      let found: Found
      return {
        async respond(message) {
          if (step === 'proved') {
            // RFC 5802 §5: the client answers the server's signature with nothing.
            if (message === undefined || message.length > 0) throw new SyntaxFault('an empty answer was expected')
            await verifier.scramEnded(first.user, true)
            return { done: found.login! }
          }
          if (message === undefined) return { ask: Buffer.alloc(0) }
          if (step === 'first') {
            first = parseClientFirst(parseSaslText(message))
            binding = expectedBinding(first, plus, bindings)
            found = await verifier.scram(first.user, hash)
            const salt = Buffer.from(found.keys.salt).toString('base64')
            serverFirst = `r=${first.nonce}${nonce()},s=${salt},i=${found.keys.iterations}`
            step = 'final'
            return { ask: Buffer.from(serverFirst) }
          }
          const signature = proveClient(hash, found.keys, { first, serverFirst, binding }, parseSaslText(message))
          if (!signature || found.login === undefined) {
            await verifier.scramEnded(first.user, false)
            throw new Fault('unauthenticated', 'the name or password is wrong')
          }
          step = 'proved'
          return { ask: Buffer.from(`v=${signature.toString('base64')}`) }
        },
      }
    },
  }
}

function randomNonce(): string {
  return randomBytes(18).toString('base64')
}

interface ClientFirst {
  /** `n`, `y`, or the name behind `p=`. */
  readonly flag: 'n' | 'y' | { readonly binding: string }
  /** `n,,` or `y,a=…,`: comes back in the final message. */
  readonly gs2: string
  readonly bare: string
  readonly user: string
  readonly nonce: string
}

/** RFC 5802 §7: gs2-header, then `n=user,r=nonce[,extensions]`. */
function parseClientFirst(text: string): ClientFirst {
  const [flag, authzid, ...rest] = text.split(',')
  if (authzid === undefined || (authzid !== '' && !authzid.startsWith('a='))) throw new SyntaxFault('bad gs2-header')
  const [name, nonce] = rest
  // RFC 5802 §5.1: `m=` is a mandatory extension; none is known.
  if (!name?.startsWith('n=') || !nonce?.startsWith('r=')) throw new SyntaxFault('n= and r= were expected')
  const user = saslPrep(parseSaslName(name.slice(2)))
  if (user === '' || !isPrintable(nonce.slice(2))) throw new SyntaxFault('the name or the nonce is no such thing')
  if (authzid !== '' && saslPrep(parseSaslName(authzid.slice(2))) !== user)
    throw new Fault('unauthenticated', 'signing in as another user is not allowed')
  const gs2 = `${flag},${authzid},`
  return { flag: parseFlag(flag!), gs2, bare: rest.join(','), user, nonce: nonce.slice(2) }
}

function parseFlag(flag: string): ClientFirst['flag'] {
  if (flag === 'n' || flag === 'y') return flag
  if (!flag.startsWith('p=') || flag.length === 2) throw new SyntaxFault('bad gs2-header')
  return { binding: flag.slice(2) }
}

/** RFC 5802 §7: `printable`, at least one; the comma ended it. */
function isPrintable(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x21 || text.charCodeAt(i) > 0x7e) return false
  return text !== ''
}

/** What `c=` must hold: the gs2-header and the channel's data. Faults where RFC 5802 §6 says that the exchange fails. */
function expectedBinding({ flag, gs2 }: ClientFirst, plus: boolean, bindings: ChannelBindings | undefined): Buffer {
  if (typeof flag === 'string') {
    if (plus) throw new SyntaxFault('this mechanism needs channel binding')
    // RFC 5802 §6: the client could bind and saw no -PLUS, but we offered it: somebody took it out of the list.
    if (flag === 'y' && bindings) throw new Fault('unauthenticated', 'channel binding was offered and not seen')
    return Buffer.from(gs2)
  }
  if (!plus) throw new SyntaxFault('channel binding needs the -PLUS mechanism')
  const data = bindings?.(flag.binding)
  if (!data) throw new Fault('unauthenticated', 'this type of channel binding is not offered')
  return Buffer.concat([Buffer.from(gs2), data])
}

/** RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, and `=` nothing else. */
function parseSaslName(text: string): string {
  const pieces = text.split('=')
  let out = pieces[0]!
  for (const piece of pieces.slice(1)) {
    if (piece.startsWith('2C')) out += `,${piece.slice(2)}`
    else if (piece.startsWith('3D')) out += `=${piece.slice(2)}`
    else throw new SyntaxFault('bad escape in a name')
  }
  return out
}

interface Begun {
  readonly first: ClientFirst
  readonly serverFirst: string
  readonly binding: Buffer
}

/** Checks `c=…,r=…,p=…`; the server's signature when the proof holds. */
function proveClient(hash: ScramHash, keys: SaslKeys, begun: Begun, final: string): Buffer | undefined {
  const at = final.lastIndexOf(',p=')
  if (at < 0) throw new SyntaxFault('a proof was expected')
  const withoutProof = final.slice(0, at)
  const [binding, nonce] = withoutProof.split(',')
  if (!binding?.startsWith('c=') || !nonce?.startsWith('r=')) throw new SyntaxFault('c= and r= were expected')
  const proof = parseBase64(final.slice(at + 3))
  const bound = parseBase64(binding.slice(2)).equals(begun.binding)
  const message = `${begun.first.bare},${begun.serverFirst},${withoutProof}`
  const signature = hmac(hash, keys.storedKey, message)
  // A client that was answered by another server than it sees, or by somebody between us, fails as a wrong password does.
  if (!bound || !begun.serverFirst.startsWith(`${nonce},`) || proof.length !== signature.length) return undefined
  const clientKey = Buffer.alloc(proof.length)
  for (let i = 0; i < proof.length; i++) clientKey[i] = proof[i]! ^ signature[i]!
  if (!timingSafeEqual(createHash(hashNames[hash]).update(clientKey).digest(), keys.storedKey)) return undefined
  return hmac(hash, keys.serverKey, message)
}
