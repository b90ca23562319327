// The arguments of NOTIFY (RFC 5465 §8): which mailboxes, and which events.

import type { Cursor } from './cursor.ts'
import { type FetchItem, isSectionItem, parseFetchItems } from './fetch.ts'

export const notifyEvents = [
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
  'MailboxName',
  'SubscriptionChange',
  'MailboxMetadataChange',
  'ServerMetadataChange',
] as const
export type NotifyEvent = (typeof notifyEvents)[number]

export type NotifyFilter =
  | { readonly kind: 'selected' | 'selected-delayed' | 'inboxes' | 'personal' | 'subscribed' }
  | { readonly kind: 'subtree' | 'mailboxes'; readonly names: readonly string[] }

export interface EventGroup {
  readonly filter: NotifyFilter
  readonly events: ReadonlySet<NotifyEvent>
  /** What is told of each new message. */
  readonly fetch?: readonly FetchItem[]
}

export interface NotifySet {
  /** The state of each mailbox is wanted at once. */
  readonly status: boolean
  readonly groups: readonly EventGroup[]
  /** An event was named that nobody here knows. */
  readonly unknown: boolean
}

const MAX_GROUPS = 100
const MAX_NAMES = 1000
const filters = ['selected', 'selected-delayed', 'inboxes', 'personal', 'subscribed', 'subtree', 'mailboxes'] as const
const messageEvents: ReadonlySet<NotifyEvent> = new Set<NotifyEvent>(['MessageNew', 'MessageExpunge', 'FlagChange'])
const byName = new Map(notifyEvents.map((event) => [event.toUpperCase(), event]))

export const isSelectedFilter = ({ kind }: NotifyFilter): boolean => kind === 'selected' || kind === 'selected-delayed'

/** `NONE` (undefined) or `SET …`. */
export function parseNotify(p: Cursor): NotifySet | undefined {
  if (p.hasWord('NONE')) return undefined
  if (!p.hasWord('SET')) p.fail('expected SET or NONE')
  const status = p.sp().hasWord('STATUS')
  if (status) p.sp()
  const found = { unknown: false }
  const groups = [parseGroup(p, found)]
  while (!p.atEnd() && p.has(' ') && !p.atEnd()) {
    groups.push(parseGroup(p, found))
    if (groups.length > MAX_GROUPS) p.fail(`more than ${MAX_GROUPS} groups`)
  }
  if (groups.filter(({ filter }) => isSelectedFilter(filter)).length > 1) p.fail('the selected mailbox stands twice')
  return { status, groups, unknown: found.unknown }
}

function parseGroup(p: Cursor, found: { unknown: boolean }): EventGroup {
  p.expect('(')
  const filter = parseFilter(p)
  p.sp()
  const events = new Set<NotifyEvent>()
  let fetch: readonly FetchItem[] | undefined
  if (!p.hasWord('NONE'))
    p.list(() => {
      const event = byName.get(p.word())
      if (!event) found.unknown = true
      else events.add(event)
      if (event === 'MessageNew' && p.hasNext(' (')) fetch = parseFetchItems(p.sp()).map(peeked)
    })
  p.expect(')')
  assertTogether(p, filter, events, fetch !== undefined)
  return { filter, events, fetch }
}

/** RFC 5465 §5: what may stand with what. */
function assertTogether(p: Cursor, filter: NotifyFilter, events: ReadonlySet<NotifyEvent>, fetches: boolean): void {
  const { kind } = filter
  if (events.has('MessageNew') !== events.has('MessageExpunge')) p.fail('MessageNew and MessageExpunge belong together')
  if (events.has('FlagChange') && !events.has('MessageNew')) p.fail('FlagChange needs MessageNew and MessageExpunge')
  if (isSelectedFilter(filter) && [...events].some((event) => !messageEvents.has(event)))
    p.fail(`${kind} has events of messages only`)
  if (fetches && !isSelectedFilter(filter)) p.fail('only messages of the selected mailbox are fetched')
}

function parseFilter(p: Cursor): NotifyFilter {
  const word = p.word()
  const kind = filters.find((filter) => filter.toUpperCase() === word) ?? p.fail(`NOTIFY knows no ${word}`)
  if (kind !== 'subtree' && kind !== 'mailboxes') return { kind }
  p.sp()
  const names = p.peek() === '(' ? p.list(() => p.mailbox()) : [p.mailbox()]
  if (names.length > MAX_NAMES) p.fail(`more than ${MAX_NAMES} names`)
  return { kind, names }
}

/** To be told of a message is not to have read it. */
const peeked = (item: FetchItem): FetchItem => (isSectionItem(item) ? { ...item, peek: true } : item)
