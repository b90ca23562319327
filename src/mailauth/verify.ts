// Who sent a message, as far as the DNS and its signatures tell: all checks at once, within one budget of time.

import { Readable } from 'node:stream'
import type { Clock, Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { formatResults } from './header.ts'
import { checkIprev } from './iprev.ts'
import { boundSignatures, checkSignatures, type Signatures } from './library.ts'
import { withBudget } from './lookups.ts'
import { checkSpf } from './spf/index.ts'
import type { DmarcAnswer, Verification } from './types.ts'

export interface VerifierOptions {
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
  /** The name under which we answer for what we found (RFC 8601 §2.2). */
  readonly authservId: string
  /** For all questions of one message together; absent: 5,000. */
  readonly budgetMs?: number
}

export interface Unverified {
  readonly ip: string
  readonly helo: string
  /** MAIL FROM as `local@domain`; the empty string for `<>`. */
  readonly sender: string
  /** With the empty line. */
  readonly header: Buffer
  /** What follows it. */
  readonly body: Buffer | AsyncIterable<Uint8Array>
}

export interface Verifier {
  /** Never rejects: what cannot be told is `temperror`, and logged when it is nobody's fault but ours. */
  verify(message: Unverified): Promise<Verification>
}

const unchecked: DmarcAnswer = {
  result: 'temperror',
  spfAligned: false,
  dkimAligned: false,
  reason: 'the signatures could not be checked',
}

export function createVerifier(options: VerifierOptions): Verifier {
  const { resolver, clock, log, authservId, budgetMs = 5_000 } = options
  const failed = (error: unknown) => log.error({ err: error }, 'the signatures of a message could not be checked')
  const signaturesOf = async (...asked: Parameters<typeof checkSignatures>): Promise<Signatures> => {
    try {
      return await checkSignatures(...asked)
    } catch (error) {
      failed(error)
      return { dkim: [], arc: { result: 'none', instance: 0, coversFrom: false }, dmarc: async () => unchecked }
    }
  }
  return {
    async verify({ ip, helo, sender, header, body }) {
      const dns = withBudget(resolver, clock, budgetMs)
      try {
        const seconds = Math.floor(clock.now() / 1_000)
        const [spf, iprev, signatures] = await Promise.all([
          checkSpf(dns, { ip, sender, helo, receiver: authservId, now: seconds }),
          checkIprev(dns, ip),
          signaturesOf(dns, ip, join(boundSignatures(header), body)),
        ])
        const dmarc = await signatures.dmarc(spf).catch((error: unknown) => {
          failed(error)
          return unchecked
        })
        const results = { spf, iprev, dkim: signatures.dkim, arc: signatures.arc, dmarc }
        return { ...results, header: formatResults({ authservId, ip, helo, sender }, results) }
      } finally {
        dns.end()
      }
    },
  }
}

function join(header: Buffer, body: Unverified['body']): Readable | Buffer {
  if (Buffer.isBuffer(body)) return Buffer.concat([header, body])
  return Readable.from(
    (async function* () {
      yield header
      yield* body
    })(),
    { objectMode: false },
  )
}
