// VRFY and EXPN. Who has a mailbox, and who stands behind a list, is told to nobody unless the operator says so, and then only to who
// signed in and to trusted networks.

import type { Resolution } from '../../../accounts/index.ts'
import { type Address, formatAddress, needsUtf8, parseAddress, parsePath } from '../../../address/index.ts'
import { type Reply, reply } from '../../wire/index.ts'
import { replies } from '../replies.ts'
import type { Session } from '../types.ts'
import { type Command, command } from './command.ts'

const anywhere = ['new', 'greeted', 'mail', 'rcpt', 'bdat'] as const
/** Members of a list shown at most: a reply is kept in memory whole, and readers give up on longer ones. */
const maxMembers = 99

const mayAsk = ({ options, login, trusted, kind }: Session) =>
  options.verify && kind !== 'lmtp' && (login !== undefined || trusted)

export const vrfy: Command = command({
  verb: 'VRFY',
  rfc: 'RFC 5321 §4.1.1.6',
  syntax: 'VRFY name [SMTPUTF8]',
  states: anywhere,
  capabilities: (session) => (mayAsk(session) ? ['VRFY'] : []),
  parse: (line) => parseQuestion(line.sp().rest()) ?? line.fail('a name was expected'),
  async proceed(session, question, state) {
    // RFC 5321 §7.3: otherwise who has a mailbox is told at RCPT, one by one and counted.
    session.reply(mayAsk(session) ? await answer(session, question, describe) : replies.cannotTell)
    return state
  },
})

export const expn: Command = command({
  verb: 'EXPN',
  rfc: 'RFC 5321 §4.1.1.7',
  syntax: 'EXPN list [SMTPUTF8]',
  states: anywhere,
  // RFC 5321 §4.1.1.1: where it works it is announced.
  capabilities: (session) => (mayAsk(session) ? ['EXPN'] : []),
  parse: (line) => parseQuestion(line.sp().rest()) ?? line.fail('a name was expected'),
  async proceed(session, question, state) {
    session.reply(mayAsk(session) ? await answer(session, question, expand) : replies.listsHidden)
    return state
  },
})

interface Question {
  readonly text: string
  readonly utf8: boolean
}

/** RFC 6531 §3.7.4.2: the parameter stands behind what may be any string. */
function parseQuestion(rest: string): Question | undefined {
  const utf8 = rest.toUpperCase().endsWith(' SMTPUTF8')
  const text = utf8 ? rest.slice(0, -' SMTPUTF8'.length).trim() : rest
  return text === '' ? undefined : { text, utf8 }
}

type Local = Extract<Resolution, { kind: 'local' }>
type Tell = (session: Session, address: Address, found: Local) => Reply | Promise<Reply>

async function answer(session: Session, { text, utf8 }: Question, tell: Tell): Promise<Reply> {
  const address = toAddress(session, text)
  if (!address) return reply(553, '5.1.3', 'Name an address with its domain')
  if (needsUtf8(address) && !utf8) return replies.needsUtf8
  const found = await session.options.accounts.members(address)
  if (found.kind === 'local') return tell(session, address, found)
  if (found.kind === 'remote') return replies.cannotTell
  return found.kind === 'unknown' ? reply(550, '5.1.1', 'There is no such user') : reply(550, '5.2.1', 'Takes no mail')
}

/** An address with or without brackets; of a name alone the domain is that of who asks. */
function toAddress({ login }: Session, text: string): Address | undefined {
  if (text.startsWith('<')) {
    const path = parsePath(text)
    return path?.end === text.length ? (path.path ?? undefined) : undefined
  }
  if (text.includes('@')) return parseAddress(text)
  const domain = login?.email.slice(login.email.lastIndexOf('@'))
  return domain === undefined ? undefined : parseAddress(text + domain)
}

/** The mailbox with the name of its user; of a list the address only (RFC 5321 §3.5.2). */
async function describe({ options }: Session, address: Address, { local, remote }: Local): Promise<Reply> {
  const [only] = local
  const account = only && local.length + remote.length === 1 ? await options.accounts.account(only.account) : undefined
  const name = account?.name ? `${account.name} ` : ''
  return reply(250, '2.1.5', `${name}${show(account ? account.email : formatAddress(address))}`)
}

function expand(_: Session, __: Address, { local, remote }: Local): Reply {
  const all = [...local.map(({ address }) => address), ...remote].map((one) => show(formatAddress(one)))
  const shown = all.slice(0, maxMembers)
  const rest = all.length - shown.length
  return reply(250, '2.1.5', ...shown, ...(rest > 0 ? [`and ${rest} more`] : []))
}

/** Replies are ASCII; whoever has another address is there all the same. */
function show(address: string): string {
  return needsUtf8({ local: address, domain: '' }) ? 'an address beyond ASCII' : `<${address}>`
}
