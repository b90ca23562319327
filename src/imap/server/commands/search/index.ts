// SEARCH and UID SEARCH, with the options of RFC 4731, RFC 5182, RFC 5267 and RFC 9394.

import { SyntaxFault } from '../../../../base/index.ts'
import {
  type Cursor,
  parseSearchProgram,
  type SearchKey,
  type SearchReturns,
  savedResult,
  someKey,
} from '../../../wire/index.ts'
import { type Command, command, type SelectedContext } from '../../command.ts'
import { UidRequired } from '../../replies.ts'
import { allOfThem, chosenPlaces, formatAnswer, type SearchAnswer } from './answer.ts'
import { badCharset, type Criteria, type Found, knowsCharset, search } from './run.ts'

const searchCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    capabilities: ['ESEARCH', 'SEARCHRES', 'WITHIN', 'SEARCH=FUZZY'],
    refresh: 'before',
    keepsNumbers: byUid ? ({ key }) => namesNumbers(key) : true,
    parse: (p: Cursor) => parseSearchProgram(p.sp()),
    async run(context, program) {
      const returns = program.returns ?? (context.connection.enabled.has('IMAP4REV2') ? allOfThem : undefined)
      return withSaving(context, returns, async () => {
        refuseConflict(context, program)
        if (!knowsCharset(program)) return badCharset
        const found = await search(context, context.selected, program)
        conclude(context, found, { word: 'SEARCH', byUid, returns }, program.key)
        return { text: 'done' }
      })
    },
  })

/** RFC 7162 §3.2.10: what a number means may not change before it was looked up, also in UID SEARCH. */
const namesNumbers = (key: SearchKey) => someKey(key, (one) => one.kind === 'sequence' && one.set !== savedResult)

/**
 * What is in force forbids: numbers where only UIDs are (RFC 9586 §3.5), and a name of a charset beside strings that are UTF-8 by ENABLE
 * (RFC 6855 §3). UTF-8 and its part are no conflict: SORT must name one, and some clients always do.
 */
export function refuseConflict({ connection }: SelectedContext, { charset, key }: Criteria): void {
  if (connection.enabled.has('UIDONLY') && namesNumbers(key)) throw new UidRequired()
  if (charset !== undefined && charset !== 'UTF-8' && charset !== 'US-ASCII' && connection.enabled.has('UTF8=ACCEPT'))
    throw new SyntaxFault('UTF-8 is in force: name no charset')
}

/** A search that was to be saved and failed leaves nothing saved (RFC 5182 §2.1); one that was not understood changes nothing. */
export async function withSaving<T extends { readonly status?: string }>(
  { selected }: SelectedContext,
  returns: SearchReturns | undefined,
  run: () => Promise<T>,
): Promise<T> {
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

/** Saves and answers; `found` is in the order asked for. */
export function conclude(
  context: SelectedContext,
  found: Found,
  answer: Omit<SearchAnswer, 'tag' | 'modseq' | 'scores'>,
  key: SearchKey,
): void {
  const { selected, out, connection } = context
  const { returns } = answer
  const chosen = chosenPlaces(found.uids.length, returns)
  if (returns?.options.has('SAVE')) {
    const uids = new Set(chosen.flatMap(([from, to]) => found.uids.slice(from, to)))
    selected.saved = [...uids].sort((a, b) => a - b)
  }
  let modseq: number | undefined
  if (someKey(key, ({ kind }) => kind === 'modseq')) {
    // RFC 7162 §3.1: whoever asks for a modseq wants to hear of them.
    connection.enable(['CONDSTORE'])
    modseq = highestModseq(context, found.uids, chosen)
  }
  const line = formatAnswer(answer.byUid ? found.uids : found.numbers, {
    ...answer,
    tag: connection.currentTag(),
    modseq,
    scores: found.scores,
  })
  if (line !== undefined) out.line(line)
}

function highestModseq(
  { selected: { view } }: SelectedContext,
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

export const searchCommands: readonly Command[] = [
  searchCommand('SEARCH', 'RFC 9051 §6.4.4', false),
  searchCommand('UID SEARCH', 'RFC 9051 §6.4.9', true),
]
