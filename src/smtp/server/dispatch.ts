// The dialogue of one session: read a line, find its command, run it, until somebody hangs up. Knows no command's meaning.

import { SyntaxFault } from '../../base/index.ts'
import { Cursor, parseLine, type Reply, reply } from '../wire/index.ts'
import type { Command } from './commands/command.ts'
import { withdraw } from './commands/reset.ts'
import { greeting, replies, replyToError } from './replies.ts'
import type { SmtpSession } from './session.ts'
import { count } from './stats.ts'

/** What browsers say when a page makes them talk to us: the connection is dropped before their "body" is read as commands. */
const strangers = new Set(['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'CONNECT', 'PATCH', 'DELETE'])

/** Speaks with the client until the session is over, then closes it. Never throws. */
export async function converse(session: SmtpSession, commands: ReadonlyMap<string, Command>): Promise<void> {
  try {
    session.reply(greeting(session))
    while (!session.over) {
      if (session.stopping && !session.inTransaction) {
        session.reply(replies.stopping)
        break
      }
      const line = await session.readLine(session.limits.commandLine)
      if (line) {
        await execute(session, commands, line)
        if (session.isBlamed) await session.pause()
      }
      // No line comes any more, unless it was the server's stop that ended the wait.
      else if (!session.stopping || session.inTransaction) break
    }
  } catch (error) {
    session.log.error({ ip: session.clientIp, err: error }, 'session failed')
    session.reply(replyToError(error))
  }
  const { state } = session
  await withdraw(state, 'the connection ended')
  session.close()
}

async function execute(session: SmtpSession, commands: ReadonlyMap<string, Command>, line: Buffer): Promise<void> {
  let verb = ''
  try {
    const cursor = new Cursor(parseLine(line))
    verb = cursor.verb()
    const command = commands.get(verb)
    count(session.stats.commands, command ? verb : 'unknown')
    if (strangers.has(verb)) return hangUp(session, replies.tooManyErrors)
    if (!command) return bad(session, replies.unknownCommand)
    const refused = await command.run(session, cursor)
    if (refused) bad(session, refused)
  } catch (error) {
    if (error instanceof SyntaxFault && verb === '') return bad(session, reply(500, '5.5.2', error.message))
    session.log.error({ ip: session.clientIp, verb, err: error }, 'command failed')
    session.reply(replyToError(error))
  }
}

/** Counts what was no proper command; too many of them end the session. */
function bad(session: SmtpSession, answer: Reply): void {
  session.badCommands++
  session.blame()
  session.reply(answer)
  if (session.badCommands >= session.limits.badCommands) hangUp(session, replies.tooManyErrors)
}

function hangUp(session: SmtpSession, words: Reply): void {
  session.reply(words)
  session.end()
}
