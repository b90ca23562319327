// What became of a message in the quarantine, for its timeline; or for one of its own, when the timeline of its arrival is not kept any more.

import type { Path } from '../../address/index.ts'
import { parseAddress } from '../../address/index.ts'
import type { quarantineRows, Writer } from '../../store/index.ts'
import { createTraceId, type TraceEvent, type TraceTx } from '../../trace/index.ts'

type LetOut = Omit<Extract<TraceEvent, { kind: 'let out' }>, 'kind' | 'to'>

/** The id of the timeline that tells it. */
export async function noteLetOut(
  trace: TraceTx,
  tx: Writer,
  row: quarantineRows.QuarantineRow,
  fact: LetOut,
): Promise<string> {
  const event: TraceEvent = { kind: 'let out', to: row.address, ...fact }
  if (trace.keeps(tx, row.received_at)) {
    await trace.add(tx, row.trace, event)
    return row.trace
  }
  const id = createTraceId(fact.at)
  const to = parseAddress(row.address)
  const reasons = JSON.parse(row.reasons) as string[]
  const came = { at: row.received_at, kind: 'quarantined', to: [row.address], count: 1 } as const
  await trace.begin(tx, {
    id,
    origin: 'internal',
    from: toPath(row.sender),
    to: to ? [to] : [],
    size: row.size,
    events: [{ ...came, reasons, until: row.expires_at }, event],
    also: { accounts: row.account === null ? [] : [row.account] },
  })
  return id
}

export function toPath(text: string | null): Path {
  return text === null ? null : (parseAddress(text) ?? null)
}
