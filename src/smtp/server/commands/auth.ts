// AUTH: one exchange of a SASL mechanism, line by line in base64.

import { type Login, saslVerifier } from '../../../accounts/index.ts'
import { Fault, SyntaxFault } from '../../../base/index.ts'
import {
  findMechanism,
  offeredMechanisms,
  parseBase64,
  parseInitialResponse,
  type SaslMechanism,
  type SaslStep,
} from '../../../sasl/index.ts'
import { type Reply, reply } from '../../wire/index.ts'
import { isExpected, replies, replyToError } from '../replies.ts'
import type { Session } from '../types.ts'
import { command } from './command.ts'

/** The client sent `*` (RFC 4954 §4). */
class Cancelled extends Error {}
/** The client went away in the middle. */
class Gone extends Error {}

export const auth = command({
  verb: 'AUTH',
  rfc: 'RFC 4954 §4',
  syntax: 'AUTH mechanism [initial-response]',
  kinds: ['mx', 'submission', 'submissions'],
  states: ['greeted'],
  capabilities: (session) =>
    session.mayAuthenticate && !session.login ? [`AUTH ${offeredMechanisms(session.channel).join(' ')}`] : [],
  parse(line) {
    const name = line.sp().token().toUpperCase()
    const initial = line.atEnd() ? undefined : line.sp().token()
    line.end()
    return { name, initial }
  },
  check(session, { name }) {
    if (session.kind === 'mx' && !session.options.authOnMx) return replies.notOffered
    if (session.login) return replies.signInAgain
    if (!session.mayAuthenticate) return replies.encryptFirst
    return typeof findMechanism(name, session.channel) === 'object' ? undefined : replies.unknownMechanism
  },
  async proceed(session, { name, initial }, state) {
    try {
      // `check` has seen that it is one.
      session.login = await exchange(session, findMechanism(name, session.channel) as SaslMechanism, initial)
      session.stats.authOk++
      session.welcome()
      const { email: user } = session.login
      session.signedIn = { at: session.options.clock.now(), kind: 'signed in', user, mechanism: name }
      session.log.info(
        { ip: session.clientIp, user: session.login.email, kind: session.kind, mechanism: name },
        'signed in',
      )
      session.reply(reply(235, '2.7.0', 'Authentication successful'))
    } catch (error) {
      if (!(error instanceof Gone)) refuse(session, error)
    }
    return state
  },
})

/** Asks and answers until the mechanism is done; throws when it fails. */
async function exchange(session: Session, mechanism: SaslMechanism, initial: string | undefined): Promise<Login> {
  const verifier = saslVerifier(session.options.accounts, session.clientIp)
  const running = mechanism.begin(verifier, session.channel.bindings)
  let step: SaslStep<Login> = await running.respond(initial === undefined ? undefined : parseInitialResponse(initial))
  while ('ask' in step) step = await running.respond(await ask(session, step.ask))
  return step.done
}

async function ask(session: Session, challenge: Buffer): Promise<Buffer> {
  session.reply(reply(334, undefined, challenge.toString('base64')))
  const line = await session.readLine(session.limits.authLine, replies.authLineTooLong)
  if (!line) throw new Gone()
  const text = line.toString('latin1', 0, line.length - 1).trimEnd()
  if (text === '*') throw new Cancelled()
  return parseBase64(text)
}

function refuse(session: Session, error: unknown): void {
  session.reply(failureReply(error))
  if (!isExpected(error) && !(error instanceof Cancelled)) {
    session.log.error({ ip: session.clientIp, err: error }, 'authentication failed by our fault')
    return
  }
  session.stats.authFailed++
  session.authFailures++
  session.blame()
  session.log.info({ ip: session.clientIp, kind: session.kind, reason: String(error) }, 'authentication refused')
  if (session.authFailures < session.limits.authFailures) return
  session.reply(replies.tooManyErrors)
  session.end()
}

function failureReply(error: unknown): Reply {
  if (error instanceof Cancelled) return replies.authCancelled
  if (error instanceof SyntaxFault) return reply(501, '5.5.2', error.message)
  if (error instanceof Fault && error.code === 'unauthenticated') return replies.wrongPassword
  // Banned: it says for how long.
  if (error instanceof Fault && error.code === 'limit') return reply(454, '4.7.0', error.message)
  const answer = replyToError(error)
  // RFC 4954 §6: trouble of ours is 454, so that clients do not ask the user for another password.
  return answer.code < 500 ? replies.authUnavailable : answer
}
