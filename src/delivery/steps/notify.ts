// Reports of success that a sender asked for (RFC 3461 §4.1), of what needs no queue: written with the delivery itself.

import type { RecipientId } from '../../base/index.ts'
import { toId } from '../../base/index.ts'
import type { NewContent } from '../../mail/index.ts'
import { cutHeader, inMailbox, type Outcome, type Report, type Reporter } from '../../queue/index.ts'
import type { Blobs } from '../../store/index.ts'
import type { Arrival, Envelope, EnvelopeRecipient } from '../types.ts'
import type { LocalCopy, Plan } from './expand.ts'

/** Bytes of the header that go back. */
const maxHeader = 65_536

/** Whether anybody asked: nearly nobody does, and then nothing is read or composed. */
export function isAsked({ copies, expanded }: Plan): boolean {
  return expanded.length > 0 || copies.some(({ asked }) => asked !== undefined)
}

/** The message's header, as far as reports quote it. */
export async function readHeader({ bytes, file, size }: NewContent, blobs: Blobs): Promise<Buffer> {
  const start = bytes
    ? Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, maxHeader))
    : await blobs.read(file!, 0, Math.min(size, maxHeader))
  return cutHeader(start)
}

/** The reports on a message of which `full` copies found no room. */
export function composeSuccesses(
  reporter: Reporter,
  { arrival, envelope, plan }: { readonly arrival: Arrival; readonly envelope: Envelope; readonly plan: Plan },
  header: Buffer,
  full: readonly LocalCopy[],
): Report[] {
  const mail = {
    id: arrival.traceId,
    trace: arrival.traceId,
    sender: envelope.from,
    params: envelope.params ?? {},
    arrived: arrival.receivedAt,
  }
  const taken = plan.copies.filter((copy) => !full.includes(copy)).flatMap(({ asked = [] }) => asked)
  const delivered = taken.map((recipient) => toOutcome(recipient, inMailbox))
  const expanded = plan.expanded.map((recipient) => toOutcome(recipient, passedOn))
  const reports = [
    reporter.composeFor(mail, 'delivered', delivered, header),
    reporter.composeFor(mail, 'expanded', expanded, header),
  ]
  return reports.filter((report) => report !== undefined)
}

const passedOn = {
  result: 'delivered',
  status: '2.0.0',
  reason: 'passed on to the addresses that stand behind this one',
} as const

function toOutcome(
  { address, params = {} }: EnvelopeRecipient,
  what: Pick<Outcome, 'result' | 'status' | 'reason'>,
): Outcome {
  return { ...what, recipient: { id: toId<RecipientId>(0), address, kind: 'local', warned: false, params } }
}
