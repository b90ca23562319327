// Commands that make, name and forget mailboxes.

import { type Command, command, noArguments } from '../command.ts'

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

export const create = command({
  name: 'CREATE',
  rfc: 'RFC 9051 §6.3.4',
  states: ['authenticated', 'selected'],
  parse: (p) => p.sp().mailbox(),
  async run({ services, account }, name) {
    await services.writes.createMailbox(account, name)
    return { text: 'created' }
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
