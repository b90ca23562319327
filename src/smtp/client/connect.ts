// Opens a connection for mail: greeting, EHLO, STARTTLS, AUTH. What the server said before TLS is forgotten.

import { formatPlain } from '../../sasl/index.ts'
import type { Reply } from '../wire/index.ts'
import { Channel } from './channel.ts'
import { ConnectionFault } from './fault.ts'
import { type Session, sendMail } from './send.ts'
import type { ClientOptions, ConnectionTls, SmtpConnection } from './types.ts'

/** RFC 5321 §4.5.3.2, in milliseconds; connecting has no law, and 30 s is what others take. */
export const defaultTimeouts = {
  connect: 30_000,
  greeting: 300_000,
  command: 300_000,
  data: 180_000,
  end: 600_000,
} as const
/** Greeting, EHLO, TLS and sign-in together: each answer may take its time, but a server that always does holds a place for nothing. */
const setupLimit = 900_000
export type Timeouts = { readonly [name in keyof typeof defaultTimeouts]: number }

/**
 * Connects, greets and signs in as `options` say. ConnectionFault when any of it fails; with `opportunistic` a failed STARTTLS
 * fails too, since going on in plaintext on the same connection is what an attacker would want: connect again with `tls: 'none'`.
 */
export async function connectSmtp(options: ClientOptions, signal?: AbortSignal): Promise<SmtpConnection> {
  const timeouts: Timeouts = { ...defaultTimeouts, ...options.timeouts }
  const channel = await Channel.open(options, timeouts.connect, signal)
  try {
    channel.limit(setupLimit)
    let tls: ConnectionTls | undefined
    if (options.tls === 'implicit') tls = await channel.startTls(options, timeouts.command)
    const greeting = await channel.read(timeouts.greeting, 'greeting')
    if (greeting.code !== 220) throw new ConnectionFault('greeting', 'the server refused the connection', greeting)
    let extensions = await hello(channel, options, timeouts)
    if (options.tls === 'required' || (options.tls === 'opportunistic' && extensions.has('STARTTLS'))) {
      if (!extensions.has('STARTTLS')) throw noStartTls('the server does not offer STARTTLS')
      const answer = await channel.command('STARTTLS', timeouts.command, 'tls')
      if (answer.code !== 220) throw noStartTls('the server refused STARTTLS', answer)
      tls = await channel.startTls(options, timeouts.command)
      extensions = await hello(channel, options, timeouts)
    }
    if (options.pipelining === false) extensions = without(extensions, 'PIPELINING')
    if (options.auth) await authenticate(channel, options, options.auth, extensions, tls !== undefined, timeouts)
    return toConnection(channel, options, extensions, tls, timeouts)
  } catch (error) {
    channel.close()
    throw error
  }
}

const noStartTls = (words: string, answer?: Reply) =>
  new ConnectionFault('tls', words, answer, { tls: 'starttls-not-supported' })

function toConnection(
  channel: Channel,
  options: ClientOptions,
  extensions: ReadonlyMap<string, string>,
  tls: ConnectionTls | undefined,
  timeouts: Timeouts,
): SmtpConnection {
  const session: Session = {
    offer: { extensions, ...(tls ? { tls } : {}) },
    lmtp: options.lmtp ?? false,
    timeouts,
    unfinished: false,
  }
  return {
    ...session.offer,
    send: (mail) => sendMail(channel, session, mail),
    async quit() {
      // What was sent is accepted already: a server that does not say goodbye changes nothing.
      if (!channel.closed)
        await channel.command('QUIT', Math.min(timeouts.command, 5_000), 'end').catch(() => undefined)
      channel.close()
    },
    close: () => channel.close(),
  }
}

/** EHLO or LHLO, HELO where EHLO is not known. Keywords in upper case with their arguments. */
async function hello(
  channel: Channel,
  { helo, lmtp }: ClientOptions,
  timeouts: Timeouts,
): Promise<ReadonlyMap<string, string>> {
  const answer = await channel.command(`${lmtp ? 'LHLO' : 'EHLO'} ${helo}`, timeouts.command, 'hello')
  if (answer.code === 250) return parseExtensions(answer)
  // RFC 5321 §3.2: an old server gets HELO.
  if (lmtp || answer.code < 500) throw new ConnectionFault('hello', 'the server refused the greeting', answer)
  const second = await channel.command(`HELO ${helo}`, timeouts.command, 'hello')
  if (second.code !== 250) throw new ConnectionFault('hello', 'the server refused the greeting', second)
  return new Map()
}

function parseExtensions({ lines }: Reply): ReadonlyMap<string, string> {
  const extensions = new Map<string, string>()
  for (const line of lines.slice(1)) {
    const space = line.indexOf(' ')
    const keyword = (space < 0 ? line : line.slice(0, space)).toUpperCase()
    extensions.set(keyword, space < 0 ? '' : line.slice(space + 1).trim())
  }
  return extensions
}

const without = (extensions: ReadonlyMap<string, string>, keyword: string) =>
  new Map([...extensions].filter(([name]) => name !== keyword))

async function authenticate(
  channel: Channel,
  { ip }: ClientOptions,
  { user, password }: NonNullable<ClientOptions['auth']>,
  extensions: ReadonlyMap<string, string>,
  secure: boolean,
  timeouts: Timeouts,
): Promise<void> {
  if (!secure && ip !== '::1' && !ip.startsWith('127.'))
    throw new ConnectionFault('auth', 'the password is not sent without TLS')
  const offered = (extensions.get('AUTH') ?? '').toUpperCase().split(' ')
  const say = (line: string) => channel.command(line, timeouts.command, 'auth')
  let answer: Reply
  if (offered.includes('PLAIN')) answer = await say(`AUTH PLAIN ${formatPlain(user, password).toString('base64')}`)
  else if (offered.includes('LOGIN')) {
    answer = await say('AUTH LOGIN')
    if (answer.code === 334) answer = await say(Buffer.from(user).toString('base64'))
    if (answer.code === 334) answer = await say(Buffer.from(password).toString('base64'))
  } else throw new ConnectionFault('auth', 'the server offers neither AUTH PLAIN nor AUTH LOGIN')
  if (answer.code !== 235) throw new ConnectionFault('auth', 'the server refused the credentials', answer)
}
