// The words of the SMTP door: constant replies, and total tables from the house's codes to replies (RFC 5321 §4.2, RFC 3463).

import type { FaultCode } from '../../base/index.ts'
import { Fault, SyntaxFault } from '../../base/index.ts'
import { type Refusal, smtpRefusals } from '../../delivery/index.ts'
import { type Reply, reply } from '../wire/index.ts'
import type { Session, StateName } from './types.ts'

export const replies = {
  ok: reply(250, '2.0.0', 'Ok'),
  senderOk: reply(250, '2.1.0', 'Sender ok'),
  recipientOk: reply(250, '2.1.5', 'Recipient ok'),
  notAuthorised: reply(550, '5.7.0', 'Not authorised to say that'),
  noSuchLogin: reply(535, '5.7.8', 'There is no such user'),
  bye: reply(221, '2.0.0', 'Bye'),
  startData: reply(354, undefined, 'End data with <CR><LF>.<CR><LF>'),
  readyForTls: reply(220, '2.0.0', 'Ready to start TLS'),
  unknownCommand: reply(500, '5.5.1', 'Command not recognised'),
  notOffered: reply(502, '5.5.1', 'Command not offered here'),
  lineTooLong: reply(500, '5.5.2', 'Line too long'),
  bareLf: reply(500, '5.5.2', 'Lines end with CR LF'),
  tooManyErrors: reply(421, '4.7.0', 'Too many errors, closing the connection'),
  timeout: reply(421, '4.4.2', 'Timeout, closing the connection'),
  stopping: reply(421, '4.3.2', 'The server is stopping, try again'),
  tooManyConnections: reply(421, '4.3.2', 'Too many connections, try again later'),
  tooManyFromYou: reply(421, '4.7.0', 'Too many connections from your address, try again later'),
  tooManyTransactions: reply(421, '4.7.0', 'Too many transactions in one session, connect again'),
  tooBig: reply(552, '5.3.4', 'The message is larger than this server accepts'),
  tooManyRecipients: reply(452, '4.5.3', 'Too many recipients in one transaction'),
  bareLineEnd: reply(550, '5.6.0', 'The message holds a CR without LF or an LF without CR'),
  longLine: reply(550, '5.6.0', 'The message holds a line longer than this server accepts'),
  needsUtf8: reply(553, '5.6.7', 'An address needs SMTPUTF8 in MAIL'),
  cannotTell: reply(252, '2.5.2', 'Cannot tell; send a message and see'),
  listsHidden: reply(502, '5.5.1', 'Lists are not shown'),
  encryptFirst: reply(538, '5.7.11', 'Encryption is required: send STARTTLS first'),
  requireTlsNeedsTls: reply(530, '5.7.10', 'REQUIRETLS needs TLS: send STARTTLS first'),
  binaryByData: reply(503, '5.5.1', 'A BINARYMIME message comes by BDAT'),
  signInFirst: reply(530, '5.7.0', 'Authentication is required'),
  signInAgain: reply(503, '5.5.1', 'Already authenticated'),
  wrongPassword: reply(535, '5.7.8', 'The name or password is wrong'),
  authUnavailable: reply(454, '4.7.0', 'Authentication is not possible at the moment, try again later'),
  authCancelled: reply(501, '5.7.0', 'Authentication cancelled'),
  authLineTooLong: reply(500, '5.5.6', 'Authentication line too long'),
  unknownMechanism: reply(504, '5.5.4', 'Authentication mechanism not offered'),
  noTls: reply(454, '4.7.0', 'TLS is not available'),
  banned: reply(554, '5.7.1', 'Your address is banned here'),
  earlyTalker: reply(554, '5.5.1', 'You spoke before this server greeted'),
  notOurName: reply(550, '5.7.1', 'You gave the name of this server as your own'),
  noRecipients: reply(554, '5.5.1', 'No valid recipients'),
} as const

/** The first word of a session. */
export function greeting({ options, kind }: Session): Reply {
  return reply(220, undefined, `${options.hostname} ${kind === 'lmtp' ? 'LMTP' : 'ESMTP'} Posthorn`)
}

/** What a command finds when its state is another: where to begin. */
export const wrongState = {
  new: reply(503, '5.5.1', 'Say hello first'),
  greeted: reply(503, '5.5.1', 'Send MAIL first'),
  mail: reply(503, '5.5.1', 'A transaction is open'),
  rcpt: reply(503, '5.5.1', 'A transaction is open'),
  bdat: reply(503, '5.5.1', 'Chunks are under way: send BDAT or RSET'),
} as const satisfies Record<StateName, Reply>

/** What may come out of accounts, mail and delivery besides a verdict. */
const faultReplies = {
  'not-found': [550, '5.1.1'],
  exists: [550, '5.0.0'],
  denied: [550, '5.7.1'],
  invalid: [501, '5.5.4'],
  unauthenticated: [535, '5.7.8'],
  disabled: [525, '5.7.13'],
  limit: [450, '4.7.0'],
  'over-quota': [452, '4.2.2'],
  'too-large': [552, '5.3.4'],
  conflict: [451, '4.3.0'],
  'in-use': [451, '4.3.0'],
  unsupported: [502, '5.5.1'],
  'disk-full': [452, '4.3.1'],
  unavailable: [451, '4.3.2'],
  internal: [451, '4.3.0'],
} as const satisfies Record<FaultCode, readonly [number, string]>

/** The reply to an error; what is ours keeps its words at home. */
export function replyToError(error: unknown): Reply {
  if (error instanceof SyntaxFault) return reply(501, '5.5.4', error.message)
  if (!(error instanceof Fault) || error.code === 'internal')
    return reply(451, '4.3.0', 'Something went wrong here, try again later')
  const [code, enhanced] = faultReplies[error.code]
  return reply(code, enhanced, error.message)
}

/** Whether an error is somebody else's and no matter for the error log. */
export function isExpected(error: unknown): boolean {
  return error instanceof SyntaxFault || (error instanceof Fault && error.code !== 'internal')
}

/** The reply to a refusal by policy. */
export function refusalReply({ code, text }: Refusal): Reply {
  const refusal = smtpRefusals[code]
  return reply(refusal.code, refusal.enhanced, text)
}
