// The arguments of MAIL: what each parameter says, which of them this session may use, and what goes on with the message.
// A parameter that is not here is not known (RFC 5321 §4.1.1.11).

import type { Path } from '../../../address/index.ts'
import { SyntaxFault } from '../../../base/index.ts'
import {
  type ByValue,
  type MailParams,
  type Params,
  parseBy,
  parseEnvid,
  parseHoldFor,
  parseHoldUntil,
  parseNumber,
  parsePriority,
  parseRet,
  parseXtext,
  type Reply,
  reply,
} from '../../wire/index.ts'
import { replies } from '../replies.ts'
import { isSubmission, type Session, type Transaction } from '../types.ts'

export interface MailArgs extends Asked {
  readonly from: Path
  /** The line holds non-ASCII text. */
  readonly needsUtf8: boolean
  /** Made by `check`, taken over by `proceed`. */
  transaction?: Transaction
}

/** What the parameters said. */
interface Asked {
  utf8?: true
  body?: Transaction['body']
  size?: number
  /** AUTH= was given (RFC 4954 §5); nobody is believed about it. */
  auth?: true
  ret?: MailParams['ret']
  envid?: string
  requireTls?: true
  by?: ByValue
  holdFor?: number
  holdUntil?: number
  priority?: number
  /** A parameter that is not known here. */
  unknown?: string
}

/** Reads the parameters behind the path. */
export function parseMailArgs(from: Path, params: Params, needsUtf8: boolean): MailArgs {
  const args: MailArgs = { from, needsUtf8 }
  for (const [keyword, value] of params) {
    const read = readers[keyword]
    if (read) read(args, value)
    else args.unknown = keyword
  }
  return args
}

const readers: { readonly [keyword: string]: (asked: Asked, value: string) => void } = {
  SIZE(asked, value) {
    // RFC 1870 §3: up to 20 digits; what does not fit a number is too large in any case.
    asked.size = parseNumber(value) ?? (isLongNumber(value) ? Number.MAX_SAFE_INTEGER : fail('SIZE must be a number'))
  },
  BODY(asked, value) {
    asked.body = bodies[value.toUpperCase()] ?? fail('BODY must be 7BIT, 8BITMIME or BINARYMIME')
  },
  SMTPUTF8(asked, value) {
    if (value !== '') fail('SMTPUTF8 takes no value')
    asked.utf8 = true
  },
  AUTH(asked, value) {
    if (value === '') fail('AUTH needs a value')
    parseXtext(value)
    asked.auth = true
  },
  RET(asked, value) {
    asked.ret = parseRet(value)
  },
  ENVID(asked, value) {
    asked.envid = parseEnvid(value)
  },
  REQUIRETLS(asked, value) {
    if (value !== '') fail('REQUIRETLS takes no value')
    asked.requireTls = true
  },
  BY(asked, value) {
    asked.by = parseBy(value)
  },
  HOLDFOR(asked, value) {
    asked.holdFor = parseHoldFor(value)
  },
  HOLDUNTIL(asked, value) {
    asked.holdUntil = parseHoldUntil(value)
  },
  'MT-PRIORITY'(asked, value) {
    asked.priority = parsePriority(value)
  },
}

const bodies: { readonly [value: string]: Transaction['body'] | undefined } = {
  '7BIT': '7bit',
  '8BITMIME': '8bitmime',
  BINARYMIME: 'binarymime',
}

function isLongNumber(text: string): boolean {
  if (text.length < 16 || text.length > 20) return false
  for (let i = 0; i < text.length; i++) if (text[i]! < '0' || text[i]! > '9') return false
  return true
}

function fail(message: string): never {
  throw new SyntaxFault(message)
}

/** Refuses what this session may not ask, or what contradicts itself. */
export function checkMailArgs(session: Session, args: MailArgs): Reply | undefined {
  if (isSubmission(session.kind) && !session.login)
    return session.mayAuthenticate ? replies.signInFirst : replies.encryptFirst
  const unknown = args.unknown ?? findUnoffered(session, args)
  // RFC 5321 §4.1.1.11
  if (unknown !== undefined) return reply(555, '5.5.4', `MAIL does not know ${unknown}`)
  if (args.needsUtf8 && !args.utf8) return replies.needsUtf8
  // RFC 8689 §2: the option belongs to a session under TLS, and is announced only there.
  if (args.requireTls && !session.tls) return replies.requireTlsNeedsTls
  // RFC 1870 §6.1: a message that will be too large is refused before it is sent.
  if (args.size !== undefined && args.size > session.limits.maxMessageSize) return replies.tooBig
  return args.holdFor === undefined && args.holdUntil === undefined ? undefined : checkHold(session, args)
}

/** A parameter that is known, but not offered in this session. */
function findUnoffered(session: Session, args: MailArgs): string | undefined {
  if (args.auth && !session.mayAuthenticate) return 'AUTH'
  if (isSubmission(session.kind)) return undefined
  // RFC 4865 §2: an extension of submission.
  if (args.holdFor !== undefined) return 'HOLDFOR'
  return args.holdUntil === undefined ? undefined : 'HOLDUNTIL'
}

function checkHold(session: Session, args: MailArgs): Reply | undefined {
  const { holdFor, holdUntil, by } = args
  if (holdFor !== undefined && holdUntil !== undefined) return reply(501, '5.5.4', 'HOLDFOR and HOLDUNTIL are given')
  const now = session.options.clock.now()
  const until = releaseTime(args, now)!
  if (until <= now) return reply(501, '5.5.4', 'HOLDUNTIL lies in the past')
  if (until > now + session.limits.holdMs)
    return reply(501, '5.5.4', `a message is held for at most ${session.limits.holdMs / 1000} seconds`)
  // The deadline counts from now, held or not: one of the two cannot be kept.
  if (by && now + by.seconds * 1000 <= until) return reply(501, '5.5.4', 'BY ends before the message may leave')
  return undefined
}

function releaseTime({ holdFor, holdUntil }: MailArgs, now: number): number | undefined {
  return holdFor === undefined ? holdUntil : now + holdFor * 1000
}

/** What travels with the message; undefined when nothing was asked. */
export function toMailParams(args: MailArgs, now: number, priority: number): MailParams | undefined {
  const { ret, envid, body, requireTls, by } = args
  const holdUntil = releaseTime(args, now)
  const params: MailParams = {
    ...(ret && { ret }),
    ...(envid !== undefined && { envid }),
    ...(body === 'binarymime' && { binary: true }),
    ...(requireTls && { requireTls }),
    ...(by && { by: { at: now + by.seconds * 1000, mode: by.mode, trace: by.trace } }),
    ...(holdUntil !== undefined && { holdUntil }),
    ...(priority !== 0 && { priority }),
  }
  return Object.keys(params).length > 0 ? params : undefined
}

/** The priority that the message gets: who is nobody here may step back and not push ahead (RFC 6710 §4.1). */
export function toPriority({ login, trusted }: Session, { priority = 0 }: MailArgs): number {
  return login || trusted ? priority : Math.min(priority, 0)
}
