// SORT and UID SORT (RFC 5256), by display names too (RFC 5957), with the options of SEARCH (RFC 5267).

import { type Cursor, parseSortProgram } from '../../../wire/index.ts'
import { type Command, command } from '../../command.ts'
import { assertTagFree, conclude, keepUpdated, namesNumbers, refuseConflict, withSaving } from '../search/conclude.ts'
import { badCharset, knowsCharset, searchWhole } from '../search/run.ts'
import { sortFound } from './order.ts'

const sortCommand = (name: string, byUid: boolean) =>
  command({
    name,
    rfc: 'RFC 5256 §3',
    states: ['selected'],
    capabilities: ['SORT', 'SORT=DISPLAY', 'ESORT'],
    refresh: 'before',
    keepsNumbers: byUid ? namesNumbers : true,
    parse: (p: Cursor) => parseSortProgram(p.sp()),
    async run(context, program) {
      return withSaving(context, program.returns, async () => {
        refuseConflict(context, program)
        assertTagFree(context, program.returns)
        if (!knowsCharset(program)) return badCharset
        const found = await searchWhole(context, context.selected, program)
        const sorted = await sortFound(context, context.selected, found, program.criteria)
        const answer = { word: 'SORT', byUid, returns: program.returns } as const
        keepUpdated(context, sorted, answer, program, program.criteria)
        conclude(context, sorted, answer, program)
        return { text: 'done' }
      })
    },
  })

export const sortCommands: readonly Command[] = [sortCommand('SORT', false), sortCommand('UID SORT', true)]
