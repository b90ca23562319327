// IDLE: the selected mailbox's changes are told as they happen, until DONE.

import { SyntaxFault } from '../../../base/index.ts'
import { command, noArguments } from '../command.ts'

export const idle = command({
  name: 'IDLE',
  rfc: 'RFC 9051 §6.3.13',
  states: ['authenticated', 'selected'],
  capabilities: ['IDLE'], // RFC 2177
  refresh: 'before',
  parse: noArguments,
  async run(context) {
    const { out, connection, log } = context
    const selected = 'selected' in context ? context.selected : undefined
    out.line('+ idling')
    const line = await connection.watch(() => {
      if (selected?.gone) connection.stop(selected.gone)
      else selected?.tell(out, true)
      // The end of the command waits for it.
      selected?.listener?.settle().catch((error: unknown) => log.debug({ err: error }, 'updates failed'))
    })
    if (line === undefined) return { text: 'the connection ended' }
    if (line.trim().toUpperCase() !== 'DONE') throw new SyntaxFault('expected DONE')
    return { text: 'no longer idle' }
  },
})
