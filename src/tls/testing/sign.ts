// A certificate for names and a key that is given, as an authority of a test signs it.

import { createPrivateKey, createPublicKey, randomBytes, sign as signBytes } from 'node:crypto'
import { bits, integer, oid, sequence, set, tagged, time, utf8 } from '../der.ts'
import { ecdsaWithSha256, subjectAltName, toPem } from '../self-signed.ts'

/** PEM; the key (EC) signs for itself. */
export function sign(names: readonly string[], keyPem: string, from: number, lifeMs: number): string {
  const key = createPrivateKey(keyPem)
  const issuer = sequence(set(sequence(oid('2.5.4.3'), utf8('Authority of a test'))))
  const body = sequence(
    tagged(0, true, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ecdsaWithSha256,
    issuer,
    sequence(time(from), time(from + lifeMs)),
    sequence(),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tagged(3, true, sequence(subjectAltName(names))),
  )
  return toPem('CERTIFICATE', sequence(body, ecdsaWithSha256, bits(signBytes('sha256', body, key))))
}
