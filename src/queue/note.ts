// What the queue writes into timelines, in the transactions that change its rows. Decides nothing.

import { formatAddress } from '../address/index.ts'
import type { Clock } from '../base/index.ts'
import type { Writer } from '../store/index.ts'
import { type AttemptResult, shownAddresses, type TraceTx } from '../trace/index.ts'
import type { Mail } from './batch.ts'
import type { Settled, Witness } from './record.ts'
import { isWanted, reportTo } from './report.ts'

export interface WitnessParts {
  readonly trace: TraceTx
  readonly clock: Clock
  readonly hostname: string
}

/** Writes what is settled into the timelines of its messages. */
export function createWitness(parts: WitnessParts): Witness {
  return async (tx, settled) => {
    if (!parts.trace.on) return
    for (const [mail, some] of Map.groupBy(settled, (one) => one.mail))
      if (mail.trace !== '') await noteMail(parts, tx, mail, some)
  }
}

async function noteMail(
  { trace, clock, hostname }: WitnessParts,
  tx: Writer,
  mail: Mail,
  settled: readonly Settled[],
): Promise<void> {
  const at = clock.now()
  for (const some of Map.groupBy(settled, wayOf).values()) {
    const [{ outcome, report }] = some as [Settled]
    const { relay, source, tls, tookMs: ms, by } = outcome
    const shown = some.slice(0, shownAddresses)
    if (by === undefined)
      await trace.add(tx, mail.trace, {
        at,
        kind: 'attempt',
        queue: mail.id,
        results: shown.map(toResult),
        ms,
        relay,
        source,
        tls,
      })
    else
      await trace.add(tx, mail.trace, {
        at,
        kind: 'removed',
        to: shown.map(({ outcome }) => formatAddress(outcome.recipient.address)),
        by,
        ...(report !== undefined && { reported: true }),
      })
  }
  for (const [kind, some] of Map.groupBy(settled, ({ report }) => report)) {
    if (kind === undefined) continue
    const outcomes = some.map(({ outcome }) => outcome)
    const told = outcomes.filter((outcome) => isWanted(outcome.recipient.params, kind, mail, outcome))
    const to = told.length > 0 ? reportTo(mail, told, kind, hostname) : undefined
    if (to !== undefined) await trace.add(tx, mail.trace, { at, kind: 'report', about: kind, to })
  }
}

/** What recipients have in common that share an event. */
const wayOf = ({ outcome: { relay, source, tls, by }, report }: Settled): string =>
  by === undefined ? `${relay} ${source} ${tls}` : `by ${by} ${report}`

function toResult({ outcome, state, nextAt: next }: Settled): AttemptResult {
  const { recipient, status, reason: reply } = outcome
  const result = ({ delivered: 'delivered', deferred: 'retry', failed: 'fail' } as const)[state]
  const expired = state === 'failed' && outcome.result === 'retry'
  return { to: formatAddress(recipient.address), result, status, reply, next, ...(expired && { expired }) }
}
