// STATUS: counts of a mailbox without opening it. Also the STATUS that LIST returns.

import { toRanges } from '../../../base/index.ts'
import type { Located, Mailbox } from '../../../mail/index.ts'
import { type Cursor, formatMailbox, formatMailboxId } from '../../wire/index.ts'
import { type AuthenticatedContext, command } from '../command.ts'
import { DELETED } from '../view.ts'

export const statusItems = [
  'MESSAGES',
  'RECENT',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'DELETED',
  'DELETED-STORAGE',
  'SIZE',
  'HIGHESTMODSEQ',
  'MAILBOXID',
  'APPENDLIMIT',
] as const
export type StatusItem = (typeof statusItems)[number]

export function parseStatusItems(p: Cursor): readonly StatusItem[] {
  return p.list(() => {
    const word = p.word()
    return statusItems.find((item) => item === word) ?? p.fail(`STATUS knows no ${word}`)
  })
}

type Counted = Exclude<StatusItem, 'RECENT' | 'DELETED-STORAGE'>
type Value = (mailbox: Mailbox, context: AuthenticatedContext) => number | string
const values: { readonly [item in Counted]: Value } = {
  MESSAGES: (mailbox) => mailbox.messages,
  UIDNEXT: (mailbox) => mailbox.uidNext,
  UIDVALIDITY: (mailbox) => mailbox.uidValidity,
  UNSEEN: (mailbox) => mailbox.unseen,
  DELETED: (mailbox) => mailbox.deleted,
  SIZE: (mailbox) => mailbox.size,
  HIGHESTMODSEQ: (mailbox) => mailbox.modseq,
  MAILBOXID: (mailbox) => `(${formatMailboxId(mailbox.id)})`, // RFC 8474 §4.3
  APPENDLIMIT: (_, { options }) => options.maxMessageSize, // RFC 7889 §5.1
}

/** The untagged STATUS of a mailbox. */
export async function formatStatus(
  context: AuthenticatedContext,
  located: Located,
  items: readonly StatusItem[],
): Promise<string> {
  const { mailbox } = located
  if (items.includes('HIGHESTMODSEQ')) context.connection.enable(['CONDSTORE'])
  const pairs: string[] = []
  for (const item of items) {
    pairs.push(`${item} ${await tellItem(context, located, item)}`)
  }
  return `* STATUS ${formatMailbox(mailbox.name, context.connection.utf8)} (${pairs.join(' ')})`
}

function tellItem(
  context: AuthenticatedContext,
  located: Located,
  item: StatusItem,
): Promise<number> | number | string {
  if (item === 'RECENT') return countRecent(context.views, located)
  if (item === 'DELETED-STORAGE') return measureDeleted(context, located)
  return values[item](located.mailbox, context)
}

/** Bytes that an EXPUNGE would give back (RFC 9208 §4.1.4). */
async function measureDeleted({ views, services, out }: AuthenticatedContext, { mailbox, access }: Located) {
  if (mailbox.deleted === 0) return 0
  const view = await views.open(access)
  const uids = [...view.uids.subarray(0, view.count)].filter((_, index) => view.lo[index]! & DELETED)
  let bytes = 0
  for (let at = 0; at < uids.length; at += PAGE) {
    const facts = await services.reads.facts(mailbox.id, toRanges(uids.slice(at, at + PAGE)), ['size'])
    for (const { size = 0 } of facts) bytes += size
    await out.pace()
  }
  return bytes
}
const PAGE = 1000

async function countRecent(views: AuthenticatedContext['views'], { mailbox, access }: Located): Promise<number> {
  if (access.actor !== access.owner || mailbox.recentUid + 1 >= mailbox.uidNext) return 0
  const view = await views.open(access)
  return view.count - view.lowerBound(view.recentUid + 1)
}

export const status = command({
  name: 'STATUS',
  rfc: 'RFC 9051 §6.3.11',
  states: ['authenticated', 'selected'],
  capabilities: ['STATUS=SIZE'], // RFC 8438
  parse: (p) => ({ name: p.sp().mailbox(), items: parseStatusItems(p.sp()) }),
  async run(context, { name, items }) {
    const mailbox = await context.services.reads.resolve(context.account, name, 'r')
    context.out.line(await formatStatus(context, mailbox, items))
    return { text: 'done' }
  },
})
