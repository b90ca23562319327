// One message of APPEND or REPLACE: its flags, its date, and its bytes, which go to the spool while they arrive.

import { type AccountId, Fault, SyntaxFault } from '../../../../base/index.ts'
import type { Access, AppendItem } from '../../../../mail/index.ts'
import type { Cursor } from '../../../wire/index.ts'
import type { AuthenticatedContext } from '../../command.ts'
import { assertStorable } from '../store.ts'
import { AppendLiteral, unwrapUtf8 } from './spool.ts'

export interface Message {
  readonly flags: readonly string[]
  readonly receivedAt?: number
  readonly literal: AppendLiteral
}

/** The literal was placed by `placeMessage`. */
export function parseMessage(p: Cursor): Message {
  let flags: string[] = []
  if (p.peek() === '(') {
    flags = p.flagList()
    p.sp()
  }
  let receivedAt: number | undefined
  if (p.peek() === '"') {
    receivedAt = p.dateTime()
    p.sp()
  }
  const literal = p.messageLiteral()
  if (!(literal instanceof AppendLiteral)) throw new SyntaxFault('expected the message as a literal')
  return { flags: flags.filter((flag) => flag !== '\\Recent'), receivedAt, literal }
}

/**
 * Where a message for the mailbox of this name goes. Faults for what cannot succeed, before the client sends it: the law on quota is in
 * the transaction, `hasRoom` a hint.
 */
export async function placeMessage(
  context: AuthenticatedContext,
  name: string,
  size: number,
  hasRoom: (owner: AccountId) => Promise<boolean>,
): Promise<AppendLiteral> {
  assertSize(context, size)
  const { access } = await context.services.reads.resolve(context.account, name, 'i')
  if (!(await hasRoom(access.owner))) throw new Fault('over-quota', 'the account is full')
  return openLiteral(context, access, size)
}

/** The same for a further message of a command: it goes where the first one goes. */
export function placeNext(context: AuthenticatedContext, first: AppendLiteral, size: number): AppendLiteral {
  assertSize(context, size)
  return openLiteral(context, first.to, size)
}

function assertSize({ options }: AuthenticatedContext, size: number): void {
  if (size > options.maxMessageSize)
    throw new Fault('too-large', `a message is at most ${options.maxMessageSize} bytes`)
}

function openLiteral({ services, connection }: AuthenticatedContext, to: Access, size: number): AppendLiteral {
  const spool = services.spool()
  return new AppendLiteral(to, connection.utf8 ? unwrapUtf8(spool, size) : spool)
}

/** Everything that was spooled, or nothing: what is wrong with one message frees all. */
export async function finishMessages(messages: readonly Message[]): Promise<AppendItem[]> {
  const items: AppendItem[] = []
  try {
    for (const { flags } of messages) assertStorable(flags)
    for (const { literal, flags, receivedAt } of messages)
      items.push({ content: await literal.finish(), flags, receivedAt })
  } catch (error) {
    for (const { literal } of messages) await literal.abort()
    throw error
  }
  return items
}
