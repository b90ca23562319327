// SCRAM-SHA-256 (RFC 5802, RFC 7677), server side: the password never crosses the wire. Channel binding is not offered (no -PLUS).

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault, SyntaxFault } from '../base/index.ts'
import { parseBase64, parseSaslText, saslPrep } from './text.ts'
import type { SaslKeys, SaslMechanism } from './types.ts'

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()

/** SCRAM-SHA-256 with nonces from `nonce` (base64 characters, no comma). */
export function createScramSha256(nonce: () => string): SaslMechanism {
  return {
    name: 'SCRAM-SHA-256',
    plaintext: false,
    begin(verifier) {
      type Found = Awaited<ReturnType<typeof verifier.scram>>
      let step: 'first' | 'final' | 'proved' = 'first'
      let first: ClientFirst
      let serverFirst: string
      let found: Found
      return {
        async respond(message) {
          if (step === 'proved') {
            // RFC 5802 §5: the client answers the server's signature with nothing.
            if (message === undefined || message.length > 0) throw new SyntaxFault('an empty answer was expected')
            return { done: found.login! }
          }
          if (message === undefined) return { ask: Buffer.alloc(0) }
          if (step === 'first') {
            first = parseClientFirst(parseSaslText(message))
            found = await verifier.scram(first.user)
            const salt = Buffer.from(found.keys.salt).toString('base64')
            serverFirst = `r=${first.nonce}${nonce()},s=${salt},i=${found.keys.iterations}`
            step = 'final'
            return { ask: Buffer.from(serverFirst) }
          }
          const signature = proveClient(found.keys, first, serverFirst, parseSaslText(message))
          if (!signature || found.login === undefined)
            throw new Fault('unauthenticated', 'the name or password is wrong')
          step = 'proved'
          return { ask: Buffer.from(`v=${signature.toString('base64')}`) }
        },
      }
    },
  }
}

export const scramSha256 = createScramSha256(() => randomBytes(18).toString('base64'))

interface ClientFirst {
  /** `n,,` or `y,a=…,`: comes back in the final message. */
  readonly gs2: string
  readonly bare: string
  readonly user: string
  readonly nonce: string
}

/** RFC 5802 §7: gs2-header, then `n=user,r=nonce[,extensions]`. */
function parseClientFirst(text: string): ClientFirst {
  const [flag, authzid, ...rest] = text.split(',')
  // RFC 5802 §6: `n` has no channel binding; `y` believes that we have none, which is so; `p=` wants what we did not offer.
  if (flag !== 'n' && flag !== 'y') throw new SyntaxFault('channel binding is not offered')
  if (authzid === undefined || (authzid !== '' && !authzid.startsWith('a='))) throw new SyntaxFault('bad gs2-header')
  const [name, nonce] = rest
  // RFC 5802 §5.1: `m=` is a mandatory extension; none is known.
  if (!name?.startsWith('n=') || !nonce?.startsWith('r=')) throw new SyntaxFault('n= and r= were expected')
  const user = saslPrep(parseSaslName(name.slice(2)))
  if (user === '' || nonce.length < 3) throw new SyntaxFault('the name or the nonce is empty')
  if (authzid !== '' && saslPrep(parseSaslName(authzid.slice(2))) !== user)
    throw new Fault('unauthenticated', 'signing in as another user is not allowed')
  return { gs2: `${flag},${authzid},`, bare: rest.join(','), user, nonce: nonce.slice(2) }
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

/** Checks `c=…,r=…,p=…`; the server's signature when the proof holds. */
function proveClient(keys: SaslKeys, first: ClientFirst, serverFirst: string, final: string): Buffer | undefined {
  const at = final.lastIndexOf(',p=')
  if (at < 0) throw new SyntaxFault('a proof was expected')
  const withoutProof = final.slice(0, at)
  const [binding, nonce] = withoutProof.split(',')
  if (!binding?.startsWith('c=') || !nonce?.startsWith('r=')) throw new SyntaxFault('c= and r= were expected')
  const proof = parseBase64(final.slice(at + 3))
  if (parseBase64(binding.slice(2)).toString() !== first.gs2) return undefined
  if (!serverFirst.startsWith(`${nonce},`)) return undefined
  const message = `${first.bare},${serverFirst},${withoutProof}`
  const signature = hmac(keys.storedKey, message)
  if (proof.length !== signature.length) return undefined
  const clientKey = Buffer.alloc(proof.length)
  for (let i = 0; i < proof.length; i++) clientKey[i] = proof[i]! ^ signature[i]!
  if (!timingSafeEqual(createHash('sha256').update(clientKey).digest(), keys.storedKey)) return undefined
  return hmac(keys.serverKey, message)
}
