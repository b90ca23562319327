// Every command of the door, by verb. EHLO, HELP and the metrics read this table.

import type { Kind } from '../types.ts'
import { auth } from './auth.ts'
import { bdat } from './bdat.ts'
import type { Command } from './command.ts'
import { data } from './data.ts'
import { createHello } from './hello.ts'
import { mail } from './mail.ts'
import { rcpt } from './rcpt.ts'
import { rset } from './reset.ts'
import { createHelp, noop, quit } from './simple.ts'
import { starttls } from './starttls.ts'
import { expn, vrfy } from './verify.ts'
import { xclient } from './xclient.ts'
import { xforward } from './xforward.ts'

const working = [mail, rcpt, data, bdat, rset, noop, quit, vrfy, expn, xclient, xforward, starttls, auth]
const greetings = createHello(working)

export const commands: readonly Command[] = [...greetings, ...working, createHelp([...greetings, ...working])]

/** What one kind of door understands. */
export function commandsOf(kind: Kind): ReadonlyMap<string, Command> {
  return new Map(
    commands
      .filter(({ kinds }) => kinds === undefined || kinds.includes(kind))
      .map((command) => [command.verb, command]),
  )
}
