// SEARCH and UID SEARCH, with the options of RFC 4731, RFC 5182, RFC 5267 and RFC 9394, and what stops updates.

import { type Cursor, parseSearchProgram } from '../../../wire/index.ts'
import { type Command, command } from '../../command.ts'
import { withLowest } from '../../message-limit.ts'
import type { Outcome } from '../../replies.ts'
import { allOfThem } from './answer.ts'
import { assertTagFree, conclude, keepUpdated, namesNumbers, refuseConflict, withSaving } from './conclude.ts'
import { contextsOf } from './contexts.ts'
import { multiSearch } from './multi.ts'
import { badCharset, knowsCharset, searchNewest } from './run.ts'

const searchCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    capabilities: ['ESEARCH', 'SEARCHRES', 'WITHIN', 'SEARCH=FUZZY'],
    refresh: 'before',
    keepsNumbers: byUid ? namesNumbers : true,
    parse: (p: Cursor) => parseSearchProgram(p.sp()),
    async run(context, program) {
      const returns = program.returns ?? (context.connection.enabled.has('IMAP4REV2') ? allOfThem : undefined)
      return withSaving(context, returns, async () => {
        refuseConflict(context, program)
        assertTagFree(context, returns)
        if (!knowsCharset(program)) return badCharset
        const found = await searchNewest(context, context.selected, program)
        keepUpdated(context, found, { returns, byUid }, program)
        conclude(context, found, { word: 'SEARCH', byUid, returns }, program)
        return withLowest(context, found.lowest, { text: 'done' })
      })
    },
  })

export const cancelUpdate = command({
  name: 'CANCELUPDATE',
  rfc: 'RFC 5267 §4.3.5',
  states: ['selected'],
  capabilities: ['CONTEXT=SEARCH', 'CONTEXT=SORT'],
  parse(p) {
    const tags: string[] = []
    do tags.push(p.sp().quoted())
    while (p.peek() === ' ')
    return tags
  },
  run(context, tags): Outcome {
    const contexts = contextsOf(context)
    const unknown = tags.filter((tag) => !contexts.remove(tag))
    return unknown.length > 0 ? { status: 'NO', text: 'nothing is kept up to date under this tag' } : { text: 'done' }
  },
})

export const searchCommands: readonly Command[] = [
  searchCommand('SEARCH', 'RFC 9051 §6.4.4', false),
  searchCommand('UID SEARCH', 'RFC 9051 §6.4.9', true),
  multiSearch,
  cancelUpdate,
]
