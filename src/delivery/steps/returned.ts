// What comes back, and reports, are read as a job: the door does not wait for it, and what it teaches is written when it is understood.

import { formatAddress } from '../../address/index.ts'
import type { ContentId } from '../../base/index.ts'
import { enqueueJob } from '../../jobs/index.ts'
import { mayComplain } from '../../queue/index.ts'
import { mayReport } from '../../reports/index.ts'
import type { Writer } from '../../store/index.ts'
import type { Arrival } from '../types.ts'
import type { Plan } from './expand.ts'

/** Puts the reading of what came back to a return path, and of complaints, which come to any mailbox. */
export async function putReturned(
  tx: Writer,
  { returned, copies, reported }: Plan,
  content: ContentId,
  trace: string,
  structure = '',
): Promise<void> {
  for (const address of returned) await enqueueJob(tx, 'read-returned', { content, to: formatAddress(address), trace })
  if (returned.length === 0 && (copies.length > 0 || reported) && mayComplain(structure))
    await enqueueJob(tx, 'read-returned', { content, trace })
}

/** Puts the reading of reports: what comes to their address, and what looks like one wherever it comes. */
export async function putReported(
  tx: Writer,
  { reported, copies }: Plan,
  content: ContentId,
  arrival: Pick<Arrival, 'traceId' | 'verification'>,
  structure: string,
): Promise<void> {
  if (!reported && (copies.length === 0 || !mayReport(structure))) return
  await enqueueJob(tx, 'read-report', { content, trace: arrival.traceId, verified: isVouchedFor(arrival) })
}

/** RFC 9990 §3.5.2 and RFC 8460 §5.3: a report is to be believed when its sender is known. Mail from inside was not asked. */
function isVouchedFor({ verification }: Pick<Arrival, 'verification'>): boolean {
  if (!verification) return true
  const { dmarc, dkim } = verification
  if (dmarc.result === 'pass') return true
  // A domain without a policy has no DMARC to pass.
  const { from } = dmarc
  return (
    dmarc.result === 'none' &&
    from !== undefined &&
    dkim.some(({ result, domain }) => result === 'pass' && (from === domain || from.endsWith(`.${domain}`)))
  )
}
