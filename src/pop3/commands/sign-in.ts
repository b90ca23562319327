// The AUTHORIZATION state: TLS, names and passwords, SASL.

import { type Login, saslVerifier } from '../../accounts/index.ts'
import { Fault, SyntaxFault } from '../../base/index.ts'
import {
  findMechanism,
  offeredMechanisms,
  parseBase64,
  parseInitialResponse,
  type SaslMechanism,
} from '../../sasl/index.ts'
import { type AuthorizationContext, type Command, command } from '../command.ts'
import { noArguments, words } from '../line.ts'
import type { Outcome } from '../replies.ts'

const privacy: Outcome = { ok: false, text: 'a password is only taken over TLS' }

const stls = command({
  name: 'STLS',
  rfc: 'RFC 2595 §4',
  states: ['authorization'],
  capabilities: ({ mayStartTls }) => (mayStartTls ? ['STLS'] : []),
  parse: noArguments,
  run({ session }) {
    if (session.secure) throw new SyntaxFault('TLS is already in use')
    if (!session.mayStartTls) throw new Fault('unsupported', 'there is no certificate')
    session.startTls()
    return { ok: true, text: 'begin TLS now' }
  },
})

/** A name or a password: everything behind the space, spaces too (RFC 1939 §7). */
function whole(rest: string | undefined): string {
  if (!rest) throw new SyntaxFault('something was expected behind it')
  return rest
}

const user = command({
  name: 'USER',
  rfc: 'RFC 1939 §7',
  states: ['authorization'],
  capabilities: ({ channel }) => (channel.plaintext ? ['USER'] : []),
  parse: whole,
  run({ session }, name) {
    if (!session.channel.plaintext) return privacy
    // RFC 1939 §7 allows this answer whether the name exists or not.
    session.user = name
    return { ok: true, text: 'send the password' }
  },
})

const pass = command({
  name: 'PASS',
  rfc: 'RFC 1939 §7',
  states: ['authorization'],
  parse: whole,
  async run({ session, services }, password) {
    if (!session.channel.plaintext) return privacy
    const name = session.user
    if (name === undefined) throw new SyntaxFault('send USER first')
    session.user = undefined
    return session.signIn(() => services.accounts.login(name, password, session.address))
  },
})

const auth = command({
  name: 'AUTH',
  rfc: 'RFC 5034 §4',
  states: ['authorization'],
  capabilities: ({ channel }) => {
    const names = offeredMechanisms(channel)
    return names.length > 0 ? [`SASL ${names.join(' ')}`] : []
  },
  parse(rest) {
    const [name, initial, ...more] = words(rest)
    if (more.length > 0) throw new SyntaxFault('AUTH has a mechanism and an initial response')
    return { name: name?.toUpperCase(), initial }
  },
  async run(context, { name, initial }) {
    const { session } = context
    // Outlook and others ask for the list in the way of RFC 1734's time.
    if (name === undefined) {
      const lines = offeredMechanisms(session.channel).map((one) => `${one}\r\n`)
      return { ok: true, text: 'mechanisms', body: [Buffer.from(`${lines.join('')}.\r\n`)] }
    }
    const mechanism = findMechanism(name, session.channel)
    if (!mechanism) throw new Fault('unsupported', 'unknown mechanism')
    if (mechanism === 'withheld') return privacy
    return session.signIn(() => exchange(context, mechanism, initial))
  },
})

/** Challenges and answers until the mechanism has decided; `*` gives up (RFC 5034 §4). */
async function exchange(
  { session, services }: AuthorizationContext,
  mechanism: SaslMechanism,
  initial: string | undefined,
): Promise<Login> {
  const conversation = mechanism.begin(saslVerifier(services.accounts, session.address), session.channel.bindings)
  let message = initial === undefined ? undefined : parseInitialResponse(initial)
  for (;;) {
    const step = await conversation.respond(message)
    if ('done' in step) return step.done
    const line = await session.ask(step.ask.toString('base64'))
    if (line === undefined || line === '*') throw new SyntaxFault('authentication was cancelled')
    message = parseBase64(line)
  }
}

export const signInCommands: readonly Command[] = [stls, user, pass, auth]
