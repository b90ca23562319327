// NOTIFY: which events a session is told of without asking (RFC 5465).

import { isSelectedFilter, notifyEvents, parseNotify } from '../../wire/index.ts'
import { command } from '../command.ts'
import { Notifier } from '../notifier.ts'
import type { Outcome } from '../replies.ts'

export const notify = command({
  name: 'NOTIFY',
  rfc: 'RFC 5465 §3',
  states: ['authenticated', 'selected'],
  capabilities: ['NOTIFY'],
  // What was to be told under the old rules is told first (RFC 5465 §3.1).
  refresh: 'before',
  parse: (p) => parseNotify(p.sp()),
  async run(context, set): Promise<Outcome> {
    const { connection } = context
    if (set?.unknown) return { status: 'NO', code: `BADEVENT (${notifyEvents.join(' ')})`, text: 'these are known' }
    const chosen = set?.groups.find(({ filter }) => isSelectedFilter(filter))
    const others = set?.groups.filter(({ filter }) => !isSelectedFilter(filter)) ?? []
    const notifier = others.length > 0 ? await Notifier.start(context, others) : undefined
    connection.notify(notifier, {
      messages: chosen?.events.has('MessageNew') === true,
      flags: chosen?.events.has('FlagChange') === true,
      at: chosen ? (chosen.filter.kind === 'selected' ? 'once' : 'delayed') : 'never',
      fetch: chosen?.fetch,
    })
    if (set?.status) await notifier?.tellStates()
    return { text: 'done' }
  },
})
