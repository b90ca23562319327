// Every command of POP3. Dispatch, CAPA and the standards table are derived from this array.

import type { Command } from '../command.ts'
import { sessionCommands } from './session.ts'
import { signInCommands } from './sign-in.ts'
import { transactionCommands } from './transaction.ts'

export const commands: readonly Command[] = [...signInCommands, ...transactionCommands, ...sessionCommands]
