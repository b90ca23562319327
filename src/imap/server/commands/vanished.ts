// VANISHED (EARLIER): what was expunged while the client was away (RFC 7162 §3.2.6, §3.2.10.1).

import { normaliseRanges, type Ranges, SyntaxFault, toRanges } from '../../../base/index.ts'
import { type SequenceSet, savedResult } from '../../wire/index.ts'
import type { ConnectionControl, SelectedContext } from '../command.ts'
import { sayVanished } from '../replies.ts'
import type { SelectedMailbox } from '../selected.ts'

/** UIDs of `set`, `*` as the highest that was ever given. */
export function toUids({ view, saved }: SelectedMailbox, set: SequenceSet): Ranges {
  if (set === savedResult) return toRanges(saved)
  const last = Math.max(1, view.mailbox.uidNext - 1)
  const end = (n: number) => Math.min(n, last)
  const known = set.filter(([a, b]) => Math.min(a, b) <= last || !Number.isFinite(a + b))
  return normaliseRanges(known.map(([a, b]) => [end(a), end(b)]))
}

/** VANISHED is a modifier of UID FETCH with CHANGEDSINCE alone (RFC 7162 §3.2.6). */
export function assertMayVanish({ enabled }: ConnectionControl, byUid: boolean, since: number | undefined): void {
  if (!byUid || since === undefined || !enabled.has('QRESYNC'))
    throw new SyntaxFault('VANISHED belongs to UID FETCH with CHANGEDSINCE, after ENABLE QRESYNC')
}

/** Must come before the FETCH responses. Of what the client still counts it is told later, without EARLIER. */
export async function tellEarlier(
  { services, selected, out }: Pick<SelectedContext, 'services' | 'selected' | 'out'>,
  uids: Ranges,
  since: number,
): Promise<void> {
  const gone = await services.reads.expunged(selected.view.id, since, uids)
  // The view may be older than what was read: then it would count messages that are gone.
  await selected.view.catchUp()
  sayVanished(out, selected.withoutPending(gone), true)
  await out.pace()
}
