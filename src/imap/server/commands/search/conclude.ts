// What every search of the selected mailbox ends with: its result saved, kept up to date, and told.

import { SyntaxFault } from '../../../../base/index.ts'
import { type SearchReturns, type SortCriterion, savedResult, someKey } from '../../../wire/index.ts'
import type { SelectedContext } from '../../command.ts'
import { type Outcome, UidRequired } from '../../replies.ts'
import type { MailboxView } from '../../view.ts'
import { chosenPlaces, formatAnswer, type SearchAnswer } from './answer.ts'
import { contextsOf } from './contexts.ts'
import type { Criteria, Found } from './run.ts'

/** RFC 7162 §3.2.10: what a number means may not change before it was looked up, also in UID SEARCH. */
export const namesNumbers = ({ key }: Criteria) =>
  someKey(key, (one) => one.kind === 'sequence' && one.set !== savedResult)

/**
 * What is in force forbids: numbers where only UIDs are (RFC 9586 §3.5), and a name of a charset beside strings that are UTF-8 by ENABLE
 * (RFC 6855 §3). UTF-8 and its part are no conflict: SORT must name one, and some clients always do.
 */
export function refuseConflict({ connection }: SelectedContext, criteria: Criteria): void {
  const { charset } = criteria
  if (connection.enabled.has('UIDONLY') && namesNumbers(criteria)) throw new UidRequired()
  if (charset !== undefined && charset !== 'UTF-8' && charset !== 'US-ASCII' && connection.enabled.has('UTF8=ACCEPT'))
    throw new SyntaxFault('UTF-8 is in force: name no charset')
}

/** A search that was to be saved and failed leaves nothing saved (RFC 5182 §2.1); one that was not understood changes nothing. */
export async function withSaving(
  { selected }: SelectedContext,
  returns: SearchReturns | undefined,
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  if (!returns?.options.has('SAVE')) return run()
  try {
    const outcome = await run()
    if (outcome.status === 'NO') selected.saved = []
    return outcome
  } catch (error) {
    if (!(error instanceof SyntaxFault)) selected.saved = []
    throw error
  }
}

export interface Conclusion extends Omit<SearchAnswer, 'tag' | 'modseq' | 'scores'> {
  /** RFC 7377 §2.1: where nothing fits nothing is said. */
  readonly silentWhenEmpty?: boolean
}

/** Saves and answers; `found` is in the order asked for. */
export function conclude(context: SelectedContext, found: Found, answer: Conclusion, criteria: Criteria): void {
  const { selected, out, connection } = context
  const { returns } = answer
  const chosen = chosenPlaces(found.uids.length, returns)
  if (returns?.options.has('SAVE')) {
    const uids = new Set(chosen.flatMap(([from, to]) => found.uids.slice(from, to)))
    selected.saved = [...uids].sort((a, b) => a - b)
  }
  let modseq: number | undefined
  if (wantsModseq(criteria)) {
    // RFC 7162 §3.1: whoever asks for a modseq wants to hear of them.
    connection.enable(['CONDSTORE'])
    modseq = highestModseq(selected.view, found.uids, chosen)
  }
  if (answer.silentWhenEmpty && found.uids.length === 0) return
  const line = formatAnswer(answer.byUid ? found.uids : found.numbers, {
    ...answer,
    tag: connection.currentTag(),
    modseq,
    scores: found.scores,
  })
  if (line !== undefined) out.line(line)
}

export const wantsModseq = ({ key }: Criteria) => someKey(key, ({ kind }) => kind === 'modseq')

export function highestModseq(
  view: MailboxView,
  uids: readonly number[],
  places: readonly (readonly [number, number])[],
): number | undefined {
  let highest: number | undefined
  for (const [from, to] of places)
    for (let at = from; at < to; at++) {
      const index = view.indexOf(uids[at]!)
      if (index >= 0) highest = Math.max(highest ?? 0, view.modseqs[index]!)
    }
  return highest
}

/** Whether the client may ask for updates under its tag (RFC 5267 §4.3). */
export function assertTagFree(context: SelectedContext, returns: SearchReturns | undefined): void {
  if (returns?.options.has('UPDATE') && contextsOf(context).has(context.connection.currentTag()))
    throw new SyntaxFault('a result is kept up to date under this tag')
}

/** Keeps the result up to date when that was asked for, or says that it will not be. */
export function keepUpdated(
  context: SelectedContext,
  found: Found,
  { returns, byUid }: Pick<Conclusion, 'returns' | 'byUid'>,
  criteria: Criteria,
  sort?: readonly SortCriterion[],
): void {
  if (!returns?.options.has('UPDATE')) return
  const tag = context.connection.currentTag()
  // What was not looked at could come to it unasked.
  const isWhole = found.lowest === undefined
  if (!isWhole || !contextsOf(context).add({ tag, byUid, criteria, sort }, found.uids)) context.out.line(noUpdate(tag))
}

/** The refusal of RFC 5267 §4.3.1. */
export const noUpdate = (tag: string) => `* NO [NOUPDATE "${tag}"] this result is not kept up to date`
