// XCLIENT: a proxy in front says whose connection it carries; from then on the session is that client's, from the greeting on.
// Who may say so is asked of the address that really connected, and nothing that XCLIENT says changes the answer.

import type { Login } from '../../../accounts/index.ts'
import { type Client, isLoopback, toClientIp } from '../../../base/index.ts'
import { type Attribute, parseAttributes, type Reply, unavailable } from '../../wire/index.ts'
import { greeting, replies, wrongState } from '../replies.ts'
import type { Named, Session, State } from '../types.ts'
import { command } from './command.ts'

const names = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN', 'DESTADDR', 'DESTPORT'] as const
type Said = { readonly [name in (typeof names)[number]]?: Attribute }

interface Args {
  readonly said: Said
  /** Found by `check`. */
  login?: Login
}

export const xclient = command({
  verb: 'XCLIENT',
  rfc: 'Postfix XCLIENT_README',
  syntax: `XCLIENT ${names.map((name) => `[${name}=value]`).join(' ')}`,
  kinds: ['mx', 'submission', 'submissions'],
  states: ['new', 'greeted'],
  wrong: { mail: wrongState.mail, rcpt: wrongState.rcpt, bdat: wrongState.bdat },
  capabilities: ({ may }) => (may.xclient ? [`XCLIENT ${names.join(' ')}`] : []),
  parse: (line): Args => ({ said: parseAttributes(line.params(), names) }),
  async check(session, args): Promise<Reply | undefined> {
    if (!session.may.xclient) return replies.notAuthorised
    const { LOGIN } = args.said
    if (typeof LOGIN === 'string') {
      const account = await session.options.accounts.findAccount(LOGIN)
      if (!account || account.disabled) return replies.noSuchLogin
      args.login = { account: account.id, email: account.email, name: account.name }
    }
    return session.refuse(toClient(session, args.said))
  },
  proceed(session, { said, login }): State {
    const { NAME, HELO, LOGIN, PROTO } = said
    // An address is another client's, whose user is not the one before; what follows without one adds to it.
    const anew = said.ADDR === undefined ? {} : nobody
    const named = session.become(toClient(session, said), {
      ...anew,
      ...(NAME !== undefined && { name: known(NAME) }),
      ...(HELO !== undefined && { helo: known(HELO) }),
      ...(LOGIN !== undefined && { login }),
      ...(PROTO !== undefined && { extended: PROTO !== 'SMTP' }),
    })
    const user = named.login?.email
    if (named.login) session.welcome()
    if (user !== undefined)
      session.signedIn = { at: session.options.clock.now(), kind: 'signed in', user, mechanism: 'XCLIENT' }
    const { clientIp: ip, peerIp: proxy } = session
    session.log.info({ ip, proxy, user }, 'client named by a proxy')
    session.reply(greeting(session))
    if (named.helo === undefined) return { name: 'new' }
    return { name: 'greeted', helo: named.helo, extended: named.extended ?? true }
  },
})

const nobody: Named = { name: undefined, login: undefined, helo: undefined, extended: undefined }
const known = (value: Attribute) => (value === unavailable ? undefined : value)

/** Whom the session is to serve; the one it had when no address is given. */
function toClient({ client, peerIp }: Session, { ADDR }: Said): Client {
  if (ADDR === undefined) return client
  // Nobody's address: limits count it for the proxy, and no list of networks speaks of it.
  if (ADDR === unavailable) return { address: peerIp, near: false, known: false }
  const address = toClientIp(ADDR)
  return { address, near: false, known: !isLoopback(address) }
}
