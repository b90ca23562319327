// STORE and UID STORE: flags of messages.

import { Fault, SyntaxFault, toRanges } from '../../../base/index.ts'
import type { Cursor, SequenceSet } from '../../wire/index.ts'
import { type Command, command, type SelectedContext } from '../command.ts'
import type { Outcome } from '../replies.ts'
import type { Picked } from '../selected.ts'

interface StoreArguments {
  readonly set: SequenceSet
  readonly mode: 'add' | 'remove' | 'replace'
  readonly silent: boolean
  readonly flags: readonly string[]
}

function parse(p: Cursor): StoreArguments {
  const set = p.sp().sequenceSet()
  p.sp()
  const mode = p.has('+') ? 'add' : p.has('-') ? 'remove' : 'replace'
  const item = p.word()
  if (item !== 'FLAGS' && item !== 'FLAGS.SILENT') p.fail('expected FLAGS')
  p.sp()
  const flags = p.peek() === '(' ? p.flagList() : [p.flag()]
  while (p.has(' ')) flags.push(p.flag())
  return { set, mode, silent: item === 'FLAGS.SILENT', flags }
}

/** Flags that a client may set; \Recent is the server's and other system flags do not exist. */
export function assertStorable(flags: readonly string[]): void {
  for (const flag of flags)
    if (flag.startsWith('\\') && !storable.has(flag)) throw new SyntaxFault(`${flag} cannot be stored`)
}
const storable = new Set(['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'])

const storeCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    keepsNumbers: !byUid,
    parse,
    async run(context, { set, mode, silent, flags }): Promise<Outcome> {
      if (context.selected.readOnly) throw new Fault('denied', 'the mailbox is open read-only')
      assertStorable(flags)
      const { services, selected } = context
      const picked = selected.pick(set, byUid)
      if (picked.count === 0) return { text: 'nothing to store' }
      const ranges = toRanges(picked.uids)
      const { modseq } = await services.writes.setFlags(selected.access, ranges, { mode, flags })
      await selected.view.catchUp()
      selected.absorb()
      if (silent) forgetOwn(context, picked, modseq)
      else await answer(context, picked, byUid)
      return { text: 'stored' }
    },
  })

/** With .SILENT only what somebody else changed is told. */
function forgetOwn({ selected }: SelectedContext, { uids }: Picked, modseq: number): void {
  for (const uid of uids) {
    const index = selected.view.indexOf(uid)
    if (index >= 0 && selected.view.modseqs[index]! <= modseq) selected.told(uid)
  }
}

async function answer({ selected, out }: SelectedContext, picked: Picked, byUid: boolean): Promise<void> {
  selected.tellKeywords(out)
  for (let i = 0; i < picked.count; i++) {
    const uid = picked.uids[i]!
    const index = selected.view.indexOf(uid)
    if (index < 0) continue
    const uidItem = byUid ? `UID ${uid} ` : ''
    out.text(`* ${picked.numbers[i]} FETCH (${uidItem}FLAGS (${selected.flagWords(index)}))\r\n`)
    selected.told(uid)
    if (i % 256 === 255) await out.pace()
  }
}

export const storeCommands: readonly Command[] = [
  storeCommand('STORE', 'RFC 9051 §6.4.6', false),
  storeCommand('UID STORE', 'RFC 9051 §6.4.9', true),
]
