// STATUS: counts of a mailbox without opening it. Also the STATUS that LIST returns.

import type { Located, Mailbox } from '../../../mail/index.ts'
import { type Cursor, formatMailbox } from '../../wire/index.ts'
import { type AuthenticatedContext, command } from '../command.ts'

export const statusItems = [
  'MESSAGES',
  'RECENT',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'DELETED',
  'SIZE',
  'HIGHESTMODSEQ',
] as const
export type StatusItem = (typeof statusItems)[number]

export function parseStatusItems(p: Cursor): readonly StatusItem[] {
  return p.list(() => {
    const word = p.word()
    return statusItems.find((item) => item === word) ?? p.fail(`STATUS knows no ${word}`)
  })
}

const values: { readonly [item in Exclude<StatusItem, 'RECENT'>]: (mailbox: Mailbox) => number } = {
  MESSAGES: (mailbox) => mailbox.messages,
  UIDNEXT: (mailbox) => mailbox.uidNext,
  UIDVALIDITY: (mailbox) => mailbox.uidValidity,
  UNSEEN: (mailbox) => mailbox.unseen,
  DELETED: (mailbox) => mailbox.deleted,
  SIZE: (mailbox) => mailbox.size,
  HIGHESTMODSEQ: (mailbox) => mailbox.modseq,
}

/** The untagged STATUS of a mailbox. */
export async function formatStatus(
  { views, connection }: AuthenticatedContext,
  located: Located,
  items: readonly StatusItem[],
): Promise<string> {
  const { mailbox } = located
  if (items.includes('HIGHESTMODSEQ')) connection.enable(['CONDSTORE'])
  const pairs: string[] = []
  for (const item of items) {
    const value = item === 'RECENT' ? await countRecent(views, located) : values[item](mailbox)
    pairs.push(`${item} ${value}`)
  }
  return `* STATUS ${formatMailbox(mailbox.name)} (${pairs.join(' ')})`
}

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
