// Commands that open and close a mailbox.

import { inRanges, isFault, SyntaxFault } from '../../../base/index.ts'
import { formatMailbox, formatMailboxId, type KnownState, parseSelectParameters } from '../../wire/index.ts'
import {
  type AuthenticatedContext,
  type Command,
  type ConnectionControl,
  command,
  noArguments,
  type SelectedContext,
} from '../command.ts'
import { SEPARATOR } from '../names.ts'
import type { Output } from '../output.ts'
import { formatModseq } from '../replies.ts'
import { SelectedMailbox } from '../selected.ts'
import { SEEN } from '../view.ts'
import { tellEarlier, toUids } from './vanished.ts'

const open = (name: 'SELECT' | 'EXAMINE', rfc: string, readOnly: boolean) =>
  command({
    name,
    rfc,
    states: ['authenticated', 'selected'],
    capabilities: ['QRESYNC'],
    enables: ['QRESYNC'],
    refresh: 'never',
    parse: (p) => ({ mailbox: p.sp().mailbox(), parameters: parseSelectParameters(p) }),
    async run(context, { mailbox, parameters }) {
      const { connection, out } = context
      const { condstore, qresync } = parameters
      assertMayResync(connection, qresync)
      // A failed SELECT leaves no mailbox selected (RFC 9051 §6.3.2).
      if (connection.state === 'selected') out.line('* OK [CLOSED] The mailbox before is closed')
      connection.unselect()
      if (condstore) connection.enable(['CONDSTORE'])
      const selected = await openMailbox(context, mailbox, readOnly)
      connection.select(selected)
      announce(context, selected)
      if (qresync && qresync.uidValidity === selected.view.mailbox.uidValidity)
        await resync({ ...context, selected }, qresync)
      return { code: selected.readOnly ? 'READ-ONLY' : 'READ-WRITE', text: 'opened' }
    },
  })

function assertMayResync({ enabled }: ConnectionControl, known: KnownState | undefined): void {
  if (!known) return
  if (!enabled.has('QRESYNC')) throw new SyntaxFault('ENABLE QRESYNC first')
  // RFC 9586 §3.7
  if (known.numbers && enabled.has('UIDONLY')) throw new SyntaxFault('numbers are not allowed with UIDONLY')
}

/** What changed since the client was here: first what is gone, then new flags (RFC 7162 §3.2.5.1). */
async function resync(
  context: Pick<SelectedContext, 'services' | 'selected' | 'out'>,
  { modseq, uids: known }: KnownState,
): Promise<void> {
  const { selected, out } = context
  const { view } = selected
  const uids = toUids(selected, known ?? [[1, Number.POSITIVE_INFINITY]])
  await tellEarlier(context, uids, modseq)
  const { uids: present } = selected.pickAll()
  for (let i = 0; i < present.length; i++) {
    const index = view.indexOf(present[i]!)
    if (index >= 0 && view.modseqs[index]! > modseq && inRanges(uids, present[i]!)) {
      out.text(selected.formatChange(index, true))
      selected.told(present[i]!)
    }
    if (i % 256 === 255) await out.pace()
  }
}

async function openMailbox(
  { services, account, views, connection }: AuthenticatedContext,
  name: string,
  readOnly: boolean,
): Promise<SelectedMailbox> {
  const { access } = await services.reads.resolve(account, name, 'r')
  const view = await views.open(access)
  const { enabled } = connection
  // New to its owner a message stays, whoever else has looked.
  if (access.owner !== account) return new SelectedMailbox(view, access, readOnly, view.maxUid + 1, enabled)
  const unclaimed = view.maxUid > view.recentUid
  if (readOnly || !unclaimed) return new SelectedMailbox(view, access, readOnly, view.recentUid + 1, enabled)
  const first = await services.writes.claimRecent(account, view.id).catch((error: unknown) => {
    // Who wants to read, and to make room, shall not be stopped by \Recent.
    if (isFault(error, 'disk-full')) return undefined
    throw error
  })
  if (first === undefined) return new SelectedMailbox(view, access, readOnly, view.maxUid + 1, enabled)
  const recentFrom = Math.max(first, view.recentUid + 1)
  const selected = new SelectedMailbox(view, access, readOnly, recentFrom, enabled)
  view.recentUid = Math.max(view.recentUid, view.maxUid)
  return selected
}

function announce({ out, connection }: AuthenticatedContext, selected: SelectedMailbox): void {
  const { view } = selected
  out.line(selected.formatFlags())
  out.line(selected.formatPermanentFlags())
  out.line(`* ${selected.exists} EXISTS`)
  // RFC 9051 §6.3.2: IMAP4rev2 has no more \Recent and UNSEEN, and LIST in their place.
  if (connection.enabled.has('IMAP4REV2'))
    out.line(`* LIST () "${SEPARATOR}" ${formatMailbox(selected.name, connection.utf8)}`)
  else sayOld(out, selected)
  out.line(`* OK [UIDVALIDITY ${view.mailbox.uidValidity}] UIDs are valid`)
  out.line(`* OK [UIDNEXT ${view.mailbox.uidNext}] Next UID`)
  out.line(`* OK [MAILBOXID (${formatMailboxId(view.id)})] Its name for good`)
  out.line(formatModseq(selected.toldModseq))
}

function sayOld(out: Output, selected: SelectedMailbox): void {
  const { view } = selected
  out.line(`* ${selected.recentCount()} RECENT`)
  for (let i = 0; i < view.count; i++) {
    if (view.lo[i]! & SEEN) continue
    if (!selected.uidOnly) out.line(`* OK [UNSEEN ${i + 1}] First unseen`)
    return
  }
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
