// Commands that make, name and forget mailboxes.

import { Fault } from '../../../base/index.ts'
import type { Role } from '../../../mail/index.ts'
import { type Cursor, formatMailbox, formatMailboxId } from '../../wire/index.ts'
import { type Command, command, noArguments } from '../command.ts'
import { roleOf } from '../special-use.ts'

export const namespace = command({
  name: 'NAMESPACE',
  rfc: 'RFC 9051 §6.3.10',
  states: ['authenticated', 'selected'],
  capabilities: ['NAMESPACE'], // RFC 2342
  parse: noArguments,
  run({ out }) {
    out.line('* NAMESPACE (("" "/")) (("Shared/" "/")) NIL')
    return { text: 'done' }
  },
})

/** `(USE (\\Sent …))`. */
function parseUses(p: Cursor): readonly string[] {
  const uses: string[] = []
  p.expect('(')
  if (p.word() !== 'USE') p.fail('CREATE knows only USE')
  p.sp().expect('(')
  while (!p.has(')')) {
    p.expect('\\')
    uses.push(`\\${p.atom()}`)
    p.has(' ')
  }
  p.expect(')')
  return uses
}

/** A mailbox has one role; what is none of ours (\\All, \\Flagged) is refused, never half granted. */
function roleFor(uses: readonly string[]): Role | undefined {
  const [use, ...others] = new Set(uses.map((one) => one.toLowerCase()))
  if (use === undefined) return undefined
  const role = roleOf(use)
  if (!role || others.length > 0) throw new Fault('conflict', 'no mailbox can have this use here')
  return role
}

export const create = command({
  name: 'CREATE',
  rfc: 'RFC 9051 §6.3.4',
  states: ['authenticated', 'selected'],
  capabilities: ['CREATE-SPECIAL-USE'],
  // RFC 6154 §3: the name may be free, but the use is not, or there is none such here.
  codes: { conflict: 'USEATTR' },
  parse: (p) => ({ ...p.sp().writtenMailbox(), uses: p.has(' ') ? parseUses(p) : [] }),
  async run({ services, account, connection, out }, { name, written, uses }) {
    const { id } = await services.writes.createMailbox(account, name, roleFor(uses))
    // RFC 9051 §6.3.4: who wrote the name otherwise is told how it is written here.
    if (connection.enabled.has('IMAP4REV2') && written !== name)
      out.line(
        `* LIST () "/" ${formatMailbox(name, connection.utf8)} ("OLDNAME" (${formatMailbox(written, connection.utf8)}))`,
      )
    return { code: `MAILBOXID (${formatMailboxId(id)})`, text: 'created' } // RFC 8474 §4.1
  },
})

export const remove = command({
  name: 'DELETE',
  rfc: 'RFC 9051 §6.3.5',
  states: ['authenticated', 'selected'],
  codes: { 'in-use': 'HASCHILDREN' },
  parse: (p) => p.sp().mailbox(),
  async run({ services, account, connection }, name) {
    await services.writes.deleteMailbox(account, name)
    // Clients delete what they have open; the session goes on without a mailbox.
    if (connection.selectedName() === name) connection.unselect()
    return { text: 'deleted' }
  },
})

export const rename = command({
  name: 'RENAME',
  rfc: 'RFC 9051 §6.3.6',
  states: ['authenticated', 'selected'],
  parse: (p) => ({ from: p.sp().mailbox(), to: p.sp().mailbox() }),
  async run({ services, account }, { from, to }) {
    await services.writes.renameMailbox(account, from, to)
    return { text: 'renamed' }
  },
})

const subscription = (name: 'SUBSCRIBE' | 'UNSUBSCRIBE', rfc: string, on: boolean) =>
  command({
    name,
    rfc,
    states: ['authenticated', 'selected'],
    parse: (p) => p.sp().mailbox(),
    async run({ services, account }, mailbox) {
      await services.writes.subscribe(account, mailbox, on)
      return { text: 'done' }
    },
  })

export const subscribe = subscription('SUBSCRIBE', 'RFC 9051 §6.3.7', true)
export const unsubscribe = subscription('UNSUBSCRIBE', 'RFC 9051 §6.3.8', false)

export const mailboxCommands: readonly Command[] = [namespace, create, remove, rename, subscribe, unsubscribe]
