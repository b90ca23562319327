// XFORWARD: a server that passes a message through a filter says where it came from. It changes what is written down of the next
// message, and nothing of what the session may do.

import { parseAttributes } from '../../wire/index.ts'
import { replies } from '../replies.ts'
import type { Session } from '../types.ts'
import { command } from './command.ts'

const names = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE'] as const

export const xforward = command({
  verb: 'XFORWARD',
  rfc: 'Postfix XFORWARD_README',
  syntax: `XFORWARD ${names.map((name) => `[${name}=value]`).join(' ')}`,
  states: ['greeted'],
  capabilities: ({ may }) => (may.xforward ? [`XFORWARD ${names.join(' ')}`] : []),
  parse: (line) => parseAttributes(line.params(), names),
  check: ({ may }) => (may.xforward ? undefined : replies.notAuthorised),
  proceed(session, said, state) {
    // A long name may come in a command of its own: they add up until the message.
    const { NAME: name, ADDR: ip, HELO: helo, PROTO: proto, IDENT: id } = { ...spread(session), ...said }
    const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
    session.origin = { name: text(name), ip: text(ip), helo: text(helo), proto: text(proto), id: text(id) }
    session.reply(replies.ok)
    return state
  },
})

function spread({ origin: { name, ip, helo, proto, id } = {} }: Session) {
  return { NAME: name, ADDR: ip, HELO: helo, PROTO: proto, IDENT: id }
}
