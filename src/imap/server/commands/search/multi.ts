// ESEARCH (RFC 7377): one search of many mailboxes, each with an answer of its own when something in it fits. Always in UIDs.

import { Fault, isFault, type MailboxId, SyntaxFault } from '../../../../base/index.ts'
import {
  type Cursor,
  formatMailbox,
  type MailboxFilter,
  type MultiSearchProgram,
  parseMultiSearchProgram,
  type SearchReturns,
  someKey,
} from '../../../wire/index.ts'
import { type AuthenticatedContext, command, type SelectedContext } from '../../command.ts'
import { SEPARATOR } from '../../names.ts'
import { SelectedMailbox } from '../../selected.ts'
import { allOfThem, chosenPlaces, formatAnswer } from './answer.ts'
import { conclude, highestModseq, namesNumbers, noUpdate, refuseConflict, wantsModseq, withSaving } from './conclude.ts'
import { badCharset, type Criteria, knowsCharset, search } from './run.ts'

export const multiSearch = command({
  name: 'ESEARCH',
  rfc: 'RFC 7377 §2.1',
  states: ['authenticated', 'selected'],
  capabilities: ['MULTISEARCH'],
  refresh: 'before',
  keepsNumbers: namesNumbers,
  parse: (p: Cursor) => parseMultiSearchProgram(p.sp()),
  async run(context, program) {
    const selected = 'selected' in context ? (context.selected as SelectedMailbox | undefined) : undefined
    const returns = program.returns ?? allOfThem
    const onlySelected = program.sources.every(({ kind }) => kind === 'selected')
    assertValid(program, returns, selected, onlySelected)
    if (!knowsCharset(program)) return badCharset
    if (selected && onlySelected) return searchSelected({ ...context, selected }, program, returns)
    if (returns.options.has('UPDATE')) context.out.line(noUpdate(context.connection.currentTag()))
    const names = await sourceNames(context, program.sources, selected)
    if (names.size > context.limits.searchMailboxes)
      throw new Fault('limit', `at most ${context.limits.searchMailboxes} mailboxes are searched at once`)
    const done = new Set<MailboxId>()
    for (const name of names) {
      await searchNamed(context, name, program, { returns, selected, done })
      await context.out.pace()
    }
    return { text: 'done' }
  },
})

/** RFC 7377 §2.2. */
function assertValid(
  { sources, key }: MultiSearchProgram,
  { options }: SearchReturns,
  selected: SelectedMailbox | undefined,
  onlySelected: boolean,
): void {
  if (!selected && sources.some(({ kind }) => kind === 'selected')) throw new SyntaxFault('no mailbox is selected')
  if (!selected && options.has('UPDATE')) throw new SyntaxFault('UPDATE is of the selected mailbox')
  if (onlySelected) return
  if (options.has('SAVE')) throw new SyntaxFault('SAVE is of the selected mailbox alone')
  // What a number means only the client of a selected mailbox knows.
  if (someKey(key, ({ kind }) => kind === 'sequence'))
    throw new SyntaxFault('numbers are of the selected mailbox alone')
}

function searchSelected(context: SelectedContext, program: MultiSearchProgram, returns: SearchReturns) {
  return withSaving(context, returns, async () => {
    const { selected } = context
    refuseConflict(context, program)
    if (returns.options.has('UPDATE')) context.out.line(noUpdate(context.connection.currentTag()))
    const found = await search(context, selected, program)
    const source = sourceOf(context, selected)
    conclude(context, found, { word: 'SEARCH', byUid: true, returns, source, silentWhenEmpty: true }, program)
    return { text: 'done' }
  })
}

const sourceOf = ({ connection }: AuthenticatedContext, { name, view: { mailbox } }: SelectedMailbox) =>
  `MAILBOX ${formatMailbox(name, connection.utf8)} UIDVALIDITY ${mailbox.uidValidity}`

interface Searching {
  readonly returns: SearchReturns
  readonly selected: SelectedMailbox | undefined
  readonly done: Set<MailboxId>
}

/** Mailboxes that are not there, or not for this client, are passed over (RFC 7377 §2.2). */
async function searchNamed(
  context: AuthenticatedContext,
  name: string,
  program: Criteria,
  { returns, selected, done }: Searching,
): Promise<void> {
  try {
    const { access } = await context.services.reads.resolve(context.account, name, 'r')
    if (done.has(access.mailbox)) return
    done.add(access.mailbox)
    if (selected && selected.view.id === access.mailbox) return await answer(context, selected, program, returns)
    const view = await context.views.open(access)
    const opened = new SelectedMailbox(view, access, true, view.maxUid + 1, context.connection.enabled)
    try {
      await answer(context, opened, program, returns)
    } finally {
      opened.release()
    }
  } catch (error) {
    if (!isFault(error, 'not-found') && !isFault(error, 'denied')) throw error
  }
}

async function answer(
  context: AuthenticatedContext,
  mailbox: SelectedMailbox,
  program: Criteria,
  returns: SearchReturns,
): Promise<void> {
  const { uids, scores } = await search(context, mailbox, program)
  if (uids.length === 0) return
  const modseq = wantsModseq(program)
    ? highestModseq(mailbox.view, uids, chosenPlaces(uids.length, returns))
    : undefined
  const tag = context.connection.currentTag()
  const line = formatAnswer(uids, {
    word: 'SEARCH',
    tag,
    byUid: true,
    returns,
    source: sourceOf(context, mailbox),
    modseq,
    scores,
  })
  if (line !== undefined) context.out.line(line)
}

/** Names of the mailboxes that the sources speak of, each once, in their order. */
async function sourceNames(
  { services, account }: AuthenticatedContext,
  sources: readonly MailboxFilter[],
  selected: SelectedMailbox | undefined,
): Promise<Set<string>> {
  const [own, shared, subscribed] = await Promise.all([
    services.reads.mailboxes(account),
    services.reads.shared(account),
    services.reads.subscriptions(account),
  ])
  const personal = own.map(({ name }) => name)
  const all = [...personal, ...shared.map(({ mailbox, access }) => access.prefix + mailbox.name)]
  const namesOf: { readonly [kind in MailboxFilter['kind']]: (names: readonly string[]) => readonly string[] } = {
    selected: () => (selected ? [selected.name] : []),
    // What is delivered comes to INBOX alone.
    inboxes: () => ['INBOX'],
    personal: () => personal,
    subscribed: () => subscribed,
    mailboxes: (names) => names,
    subtree: (names) => all.filter((name) => names.some((top) => isWithin(top, name))),
    'subtree-one': (names) => all.filter((name) => names.some((top) => isWithin(top, name, 1))),
  }
  return new Set(sources.flatMap((source) => namesOf[source.kind](source.names)))
}

/** Whether `name` is `top` or below it, at most so many levels. */
function isWithin(top: string, name: string, levels = Number.POSITIVE_INFINITY): boolean {
  if (name === top) return true
  if (!name.startsWith(top + SEPARATOR)) return false
  return name.slice(top.length + 1).split(SEPARATOR).length <= levels
}
