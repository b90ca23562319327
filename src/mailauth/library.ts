// DKIM, ARC and DMARC by the library mailauth: what it is given is bounded here, what it says is put in the house's words. Loaded on first use.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { DkimVerifier, Prepared, Signature, Status } from 'mailauth/lib/dkim/dkim-verifier.js'
import type { Resolver } from '../dns/index.ts'
import { parseFields } from '../mime/index.ts'
import { type LibraryResolver, toLibrary } from './lookups.ts'
import type { SpfAnswer } from './spf/index.ts'
import type { ArcAnswer, DkimResult, DkimSignature, DmarcAnswer, DmarcPolicy } from './types.ts'

/** Signatures that are looked at: who puts more on a message wants our time, not our trust. */
const maxSignatures = 10
/** RFC 8301 §3.2. */
const minBitLength = 1_024
/** So much of `b=` tells two signatures of one domain apart (RFC 6008 §3). */
const tagLength = 8

interface LibraryArc {
  readonly i?: number | false
  readonly status: Status
  readonly signature?: { readonly signingDomain?: string } | false
}
interface LibraryDmarc {
  readonly response:
    | false
    | {
        readonly status: Status & { readonly header?: { readonly from?: string } }
        readonly policyDomain?: string
        readonly policy?: DmarcPolicy
        readonly p?: DmarcPolicy
        readonly sp?: DmarcPolicy
        readonly np?: DmarcPolicy
        readonly testMode?: boolean
        readonly rr?: string
        readonly error?: string
        readonly alignment?: Readonly<Record<'spf' | 'dkim', { readonly result?: string }>>
      }
  readonly dkimAligned?: ReadonlySet<string>
  readonly reason?: string
}
interface Library {
  newVerifier(options: object): DkimVerifier & { readonly arcWithoutFrom: boolean }
  arc(chain: object, options: object): Promise<LibraryArc>
  evaluateDmarc(options: object): Promise<LibraryDmarc>
}

/** The module itself: bundled, it has no names of its own. */
export async function commonJs<M>(module: Promise<M>): Promise<M> {
  return ((await module) as { readonly default?: M }).default ?? module
}

let loaded: Promise<Library> | undefined
async function load(): Promise<Library> {
  const [dkim, arc, dmarc] = await Promise.all([
    commonJs(import('mailauth/lib/dkim/dkim-verifier.js')),
    commonJs(import('mailauth/lib/arc/index.js')),
    commonJs(import('mailauth/lib/dmarc/index.js')),
  ])
  class Verifier extends dkim.DkimVerifier {
    arcWithoutFrom = false
    override prepareSignature(signature: Prepared): void {
      super.prepareSignature(signature)
      if (signature.type !== 'ARC') return
      // RFC 8617 §4.1.2 leaves it to the sealer what is signed: a chain can be whole and say nothing of the author.
      if (signature.invalid === 'From field not signed') {
        delete signature.invalid
        this.arcWithoutFrom = true
      }
      // Sealers that are older than the RFC leave out c= and mean this.
      if (!signature.parsed?.c) signature.fallbackCanonicalization = 'relaxed/relaxed'
    }
  }
  return {
    newVerifier: (options) => new Verifier(options),
    arc: arc.arc as unknown as Library['arc'],
    evaluateDmarc: dmarc.evaluateDmarc as unknown as Library['evaluateDmarc'],
  }
}

export interface Signatures {
  readonly dkim: readonly DkimSignature[]
  readonly arc: ArcAnswer
  dmarc(spf: SpfAnswer): Promise<DmarcAnswer>
}

/** Checks the signatures of a message; that of DMARC waits for what SPF says. Rejects when reading the message does, or the library. */
export async function checkSignatures(dns: Resolver, ip: string, message: Readable | Buffer): Promise<Signatures> {
  const { newVerifier, arc, evaluateDmarc } = await (loaded ??= load())
  const resolver: LibraryResolver = toLibrary(dns)
  const shared = { resolver, minBitLength, strict: true }
  const verified = newVerifier(shared)
  await pipeline(Buffer.isBuffer(message) ? Readable.from([message]) : message, verified)
  const chain = await arc(verified.arc, { ...shared, ip })
  const signatures = verified.results.filter(({ signingDomain }) => signingDomain !== undefined)
  const dkim = signatures.map(toSignature)
  return {
    dkim,
    arc: toArc(chain, verified.arcWithoutFrom),
    dmarc: async (spf) => {
      const answer = await evaluateDmarc({
        ...shared,
        headerFrom: verified.headerFrom,
        fromFields: verified.fromFields,
        // RFC 9989 §4.4.1: the MAIL FROM identity, or HELO when that is null.
        spfDomains: spf.result === 'pass' ? [spf.domain] : [],
        dkimDomains: signatures
          .filter(({ status }) => status.result === 'pass')
          .map(({ id, signingDomain, status }) => ({ id, domain: signingDomain, underSized: status.underSized })),
        arcResult: chain,
      })
      return toDmarc(answer)
    },
  }
}

/**
 * The header as the library may see it: of more signatures than we look at the rest is renamed, byte for byte in place, so that nothing
 * else moves.
 */
export function boundSignatures(header: Buffer): Buffer {
  const signatures = parseFields(header).filter(({ name }) => name.toLowerCase() === 'dkim-signature')
  if (signatures.length <= maxSignatures) return header
  const bounded = Buffer.from(header)
  for (const { start } of signatures.slice(maxSignatures)) bounded.write('X', start, 'latin1')
  return bounded
}

function toSignature({ signingDomain, selector, algo, signature, status }: Signature) {
  const reason = status.comment ?? status.policy?.['dkim-rules']
  return {
    result: status.result as DkimResult,
    domain: signingDomain!,
    selector: selector ?? '',
    algorithm: algo ?? '',
    tag: (signature ?? '').slice(0, tagLength),
    ...(reason !== undefined && { reason }),
    ...(status.underSized !== undefined && { uncovered: status.underSized }),
  } satisfies DkimSignature
}

function toArc({ i, status, signature }: LibraryArc, withoutFrom: boolean): ArcAnswer {
  const sealer = signature ? signature.signingDomain : undefined
  return {
    result: status.result as ArcAnswer['result'],
    instance: i === false || i === undefined ? 0 : i,
    ...(sealer !== undefined && { sealer }),
    coversFrom: status.result === 'pass' && !withoutFrom,
    ...(status.result === 'fail' && status.comment !== undefined && { reason: status.comment }),
  }
}

function toDmarc({ response, reason, dkimAligned }: LibraryDmarc): DmarcAnswer {
  // RFC 9989 §5.3.1: without one author there is nothing to ask.
  if (!response)
    return { result: 'permerror', spfAligned: false, dkimAligned: false, reason: reasons[reason ?? ''] ?? 'no author' }
  const { status, policyDomain, policy, p, sp, np, testMode, rr, error, alignment } = response
  const from = status.header?.from
  return {
    result: status.result as DmarcAnswer['result'],
    ...(from !== undefined && { from }),
    ...(policyDomain !== undefined && { publishedAt: policyDomain }),
    ...(policy !== undefined && { policy }),
    ...(p !== undefined && {
      published: { p, ...(sp !== undefined && { sp }), ...(np !== undefined && { np }), testing: testMode === true },
    }),
    ...(rr !== undefined && { record: rr }),
    spfAligned: alignment?.spf.result !== undefined,
    dkimAligned: (dkimAligned?.size ?? 0) > 0,
    ...(error !== undefined && { reason: error }),
  }
}

const reasons: Readonly<Record<string, string>> = {
  'no-author-domain': 'the From header names no domain',
  'multiple-author-domains': 'the From header names several domains',
  'invalid-author-domain': 'the domain of the From header is none',
  'multiple-from-fields': 'there are several From headers',
}
