// Commands that open and close a mailbox.

import { Fault } from '../../../base/index.ts'
import { type AuthenticatedContext, type Command, command, noArguments } from '../command.ts'
import { SelectedMailbox } from '../selected.ts'
import { SEEN } from '../view.ts'

const open = (name: 'SELECT' | 'EXAMINE', rfc: string, readOnly: boolean) =>
  command({
    name,
    rfc,
    states: ['authenticated', 'selected'],
    refresh: 'never',
    parse: (p) => p.sp().mailbox(),
    async run(context, mailbox) {
      // A failed SELECT leaves no mailbox selected (RFC 9051 §6.3.2).
      context.connection.unselect()
      const selected = await openMailbox(context, mailbox, readOnly)
      context.connection.select(selected)
      announce(context, selected)
      return { code: readOnly ? 'READ-ONLY' : 'READ-WRITE', text: 'opened' }
    },
  })

async function openMailbox(
  { services, account, views }: AuthenticatedContext,
  name: string,
  readOnly: boolean,
): Promise<SelectedMailbox> {
  const found = await services.reads.mailbox(account, name)
  if (!found) throw new Fault('not-found', 'there is no such mailbox')
  const view = await views.open(found.id)
  const unclaimed = view.maxUid > view.recentUid
  if (readOnly || !unclaimed) return new SelectedMailbox(view, readOnly, view.recentUid + 1)
  const first = await services.writes.claimRecent(account, found.id)
  const recentFrom = Math.max(first, view.recentUid + 1)
  const selected = new SelectedMailbox(view, readOnly, recentFrom)
  view.recentUid = Math.max(view.recentUid, view.maxUid)
  return selected
}

function announce({ out }: AuthenticatedContext, selected: SelectedMailbox): void {
  const { view } = selected
  out.line(selected.formatFlags())
  out.line(selected.formatPermanentFlags())
  out.line(`* ${selected.exists} EXISTS`)
  out.line(`* ${selected.recentCount()} RECENT`)
  for (let i = 0; i < view.count; i++) {
    if (view.lo[i]! & SEEN) continue
    out.line(`* OK [UNSEEN ${i + 1}] First unseen`)
    break
  }
  out.line(`* OK [UIDVALIDITY ${view.mailbox.uidValidity}] UIDs are valid`)
  out.line(`* OK [UIDNEXT ${view.mailbox.uidNext}] Next UID`)
}

export const select = open('SELECT', 'RFC 9051 §6.3.2', false)
export const examine = open('EXAMINE', 'RFC 9051 §6.3.3', true)

export const close = command({
  name: 'CLOSE',
  rfc: 'RFC 9051 §6.4.1',
  states: ['selected'],
  refresh: 'never',
  parse: noArguments,
  async run({ services, account, selected, connection }) {
    if (!selected.readOnly) await services.writes.expunge(account, selected.view.id)
    connection.unselect()
    return { text: 'closed' }
  },
})

export const unselect = command({
  name: 'UNSELECT',
  rfc: 'RFC 9051 §6.4.2',
  states: ['selected'],
  capabilities: ['UNSELECT'], // RFC 3691
  refresh: 'never',
  parse: noArguments,
  run({ connection }) {
    connection.unselect()
    return { text: 'closed' }
  },
})

export const check = command({
  name: 'CHECK',
  rfc: 'RFC 3501 §6.4.1',
  states: ['selected'],
  parse: noArguments,
  run: () => ({ text: 'everything is on disk' }),
})

export const selectCommands: readonly Command[] = [select, examine, close, unselect, check]
