// Commands before sign-in: TLS, passwords, SASL, and ENABLE that follows them.

import { type Login, saslVerifier } from '../../../accounts/index.ts'
import { Fault, SyntaxFault } from '../../../base/index.ts'
import { findMechanism, parseBase64, parseInitialResponse, type SaslMechanism } from '../../../sasl/index.ts'
import { type Command, command, type GreetedContext, noArguments } from '../command.ts'
import type { Outcome } from '../replies.ts'

export const startTls = command({
  name: 'STARTTLS',
  rfc: 'RFC 9051 §6.2.1',
  states: ['greeted'],
  parse: noArguments,
  run({ connection, options }) {
    if (connection.secure) throw new SyntaxFault('TLS is already in use')
    if (!options.tls()) throw new Fault('unsupported', 'there is no certificate')
    connection.startTls()
    return { text: 'begin TLS now' }
  },
})

const privacy: Outcome = { status: 'NO', code: 'PRIVACYREQUIRED', text: 'a password is only taken over TLS' }

export const login = command({
  name: 'LOGIN',
  rfc: 'RFC 9051 §6.2.3',
  states: ['greeted'],
  parse: (p) => ({ user: p.sp().astringText(), password: p.sp().astringText() }),
  async run({ connection, services }, { user, password }) {
    if (!connection.channel.plaintext) return privacy
    await connection.authenticate(() => services.accounts.login(user, password, connection.address))
    return signedIn(connection)
  },
})

const signedIn = (connection: GreetedContext['connection']): Outcome => ({
  code: `CAPABILITY ${connection.capabilities()}`,
  text: 'welcome',
})

export const authenticate = command({
  name: 'AUTHENTICATE',
  rfc: 'RFC 9051 §6.2.2',
  states: ['greeted'],
  parse(p) {
    const name = p.sp().word()
    return { name, initial: p.has(' ') ? p.initialResponse() : undefined }
  },
  async run(context, { name, initial }) {
    const { connection } = context
    const mechanism = findMechanism(name, connection.channel)
    if (!mechanism) throw new Fault('unsupported', 'unknown mechanism')
    if (mechanism === 'withheld') return privacy
    await connection.authenticate(() => exchange(context, mechanism, initial))
    return signedIn(connection)
  },
})

/** Challenges and answers until the mechanism has decided; `*` gives up (RFC 9051 §6.2.2). */
async function exchange(
  { connection, services }: GreetedContext,
  mechanism: SaslMechanism,
  initial: string | undefined,
): Promise<Login> {
  const conversation = mechanism.begin(saslVerifier(services.accounts, connection.address), connection.channel.bindings)
  let message = initial === undefined ? undefined : parseInitialResponse(initial)
  for (;;) {
    const step = await conversation.respond(message)
    if ('done' in step) return step.done
    const line = await connection.ask(step.ask.toString('base64'))
    if (line === undefined || line === '*') throw new SyntaxFault('authentication was cancelled')
    message = parseBase64(line)
  }
}

export const unauthenticate = command({
  name: 'UNAUTHENTICATE',
  rfc: 'RFC 8437 §3',
  states: ['authenticated', 'selected'],
  capabilities: ['UNAUTHENTICATE'],
  refresh: 'never',
  parse: noArguments,
  run({ connection }) {
    connection.unauthenticate()
    return { code: `CAPABILITY ${connection.capabilities()}`, text: 'log in again' }
  },
})

export const enable = command({
  name: 'ENABLE',
  rfc: 'RFC 9051 §6.3.1',
  states: ['authenticated', 'selected'],
  capabilities: ['ENABLE', 'IMAP4rev2', 'UIDONLY'], // RFC 5161, RFC 9051 §A, RFC 9586
  enables: ['IMAP4REV2', 'UIDONLY'],
  refresh: 'before',
  parse(p) {
    const names = [p.sp().word()]
    while (p.has(' ')) names.push(p.word())
    return names
  },
  run({ out, connection }, names) {
    // Unknown names are let pass; what was in force before is named again, because a name left out means a refusal (RFC 9051 §7.2.1).
    out.line(['* ENABLED', ...connection.enable(names)].join(' ').replace('IMAP4REV2', 'IMAP4rev2'))
    return { text: 'done' }
  },
})

export const signInCommands: readonly Command[] = [startTls, login, authenticate, unauthenticate, enable]
