// Commands that open and close a mailbox.

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
      return { code: selected.readOnly ? 'READ-ONLY' : 'READ-WRITE', text: 'opened' }
    },
  })

async function openMailbox(
  { services, account, views }: AuthenticatedContext,
  name: string,
  readOnly: boolean,
): Promise<SelectedMailbox> {
  const { access } = await services.reads.resolve(account, name, 'r')
  const view = await views.open(access)
  // New to its owner a message stays, whoever else has looked.
  if (access.owner !== account) return new SelectedMailbox(view, access, readOnly, view.maxUid + 1)
  const unclaimed = view.maxUid > view.recentUid
  if (readOnly || !unclaimed) return new SelectedMailbox(view, access, readOnly, view.recentUid + 1)
  const first = await services.writes.claimRecent(account, view.id)
  const recentFrom = Math.max(first, view.recentUid + 1)
  const selected = new SelectedMailbox(view, access, readOnly, recentFrom)
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
  async run({ services, selected, connection }) {
    // RFC 4314 §4: without the right to expunge it is closed all the same.
    if (selected.may('e')) await services.writes.expunge(selected.access)
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
