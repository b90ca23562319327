// Writes timelines within the transactions of others: one row when a message comes in, one for what happens later.

import { randomInt } from 'node:crypto'
import { formatAddress } from '../address/index.ts'
import { traceRows, type Writer } from '../store/index.ts'
import { accountKey, addressToKey, idKey, messageIdKey, packKeys, queueKey } from './keys.ts'
import type { Segments } from './segments.ts'
import type { TraceEntry, TraceEvent, TraceFact, TraceTx } from './types.ts'

/** What stands in a row of `trace`. */
export interface Head {
  readonly origin: string
  readonly from?: string | undefined
  readonly to: readonly string[]
  /** When there are more than are named. */
  readonly recipients?: number | undefined
  readonly messageId?: string | undefined
  readonly size?: number | undefined
  readonly events: readonly TraceEvent[]
}

/** Addresses named in one list of a timeline; a message to more is found by all of them and shows these. */
export const shownAddresses = 100

export interface TraceParts {
  /** Milliseconds; 0 keeps no timelines. */
  readonly keep: () => number
  readonly segments?: Segments
}

export function createTraceTx({ keep, segments }: TraceParts): TraceTx {
  return {
    get on() {
      return keep() > 0
    },
    keeps: (tx, at) => at >= tx.now - keep(),
    async begin(tx, entry) {
      if (keep() > 0) await writeEntry(tx, entry, segments)
    },
    async add(tx, trace, { at, ...fact }) {
      if (trace === '' || keep() <= 0) return
      await traceRows.insertEvent(tx, { trace, at, n: nextNumber(), data: JSON.stringify(fact satisfies TraceFact) })
    },
  }
}

/** Writes a timeline that begins. */
export async function writeEntry(tx: Writer, entry: TraceEntry, segments?: Segments): Promise<void> {
  const { id, origin, from, to, messageId, size, events } = entry
  const head: Head = {
    origin,
    from: from === undefined ? undefined : from === null ? '' : formatAddress(from),
    to: to.slice(0, shownAddresses).map(formatAddress),
    recipients: to.length > shownAddresses ? to.length : undefined,
    messageId,
    size,
    events,
  }
  await traceRows.insert(tx, { id, keys: packKeys(keysOf(entry)), data: JSON.stringify(head) })
  if (segments) tx.afterCommit(() => segments.written())
}

function keysOf({ id, from, to, messageId, also = {} }: TraceEntry): Set<number> {
  const keys = new Set([idKey(id)])
  if (from) keys.add(addressToKey(from))
  for (const address of to) keys.add(addressToKey(address))
  for (const address of also.addresses ?? []) keys.add(addressToKey(address))
  for (const account of also.accounts ?? []) keys.add(accountKey(account))
  for (const queue of also.queue ?? []) keys.add(queueKey(queue))
  if (messageId !== undefined) keys.add(messageIdKey(messageId))
  return keys
}

/** Events of one millisecond keep their order; two nodes that write one at the same time do not meet. */
const numbers = 2 ** 31
let number = randomInt(numbers)
function nextNumber(): number {
  number = (number + 1) % numbers
  return number
}
