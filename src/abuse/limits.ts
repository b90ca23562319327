// Every limit on what one client, user or domain may do, with its reason: one table from which the code, `posthorn limits list` and the
// documentation take it. Each is a bucket: full at first, refilled evenly over its time, so that who waits may go on. Counts nothing.

const minuteMs = 60_000
const hourMs = 60 * minuteMs

export interface Limit {
  /** How many, */
  readonly count: number
  /** in so many milliseconds. */
  readonly windowMs: number
  /** Of what there are so many, for people. */
  readonly what: string
  readonly why: string
}

export const limits = {
  user: {
    count: 500,
    windowMs: hourMs,
    what: 'recipients that one user may write to in an hour',
    why: 'a newsletter of a club passes, a stolen password does little harm before somebody sees it; more is a setting of the user or his domain',
  },
  domain: {
    count: 5_000,
    windowMs: hourMs,
    what: 'recipients that all users of one domain may write to in an hour',
    why: 'ten users at their own limit: a domain whose users were all stolen does not ruin the name of the server',
  },
  address: {
    count: 200,
    windowMs: minuteMs,
    what: 'recipients that one unauthenticated address may name in a minute',
    why: 'a busy mail server sends a few a second; Gmail spreads over many addresses and earns four times as much by its history',
  },
  network: {
    count: 800,
    windowMs: minuteMs,
    what: 'recipients that all addresses of one network (/24, /48) may name in a minute',
    why: 'four times one address: a provider sends from several side by side, a botnet in one rented network does too',
  },
  'sign-in': {
    count: 10,
    windowMs: 15 * minuteMs,
    what: 'failures to sign in from one address (/64) in 15 minutes, at all doors together, before it is banned',
    why: 'two devices with an old password that ask again and again stay below it; ten guesses find no password',
  },
  'sign-in-network': {
    count: 100,
    windowMs: 15 * minuteMs,
    what: 'failures to sign in from one network (/24, /48) in 15 minutes before it is banned',
    why: 'password spraying changes the address with every guess; who has signed in from his own address before is let in all the same',
  },
  'api-token': {
    count: 600,
    windowMs: minuteMs,
    what: 'requests with one token in a minute',
    why: 'a page of the web application asks some dozens of questions at once',
  },
  'api-guest': {
    count: 60,
    windowMs: minuteMs,
    what: 'requests from one address without a token in a minute',
    why: 'a sign-in page and its files; everything beyond guesses',
  },
} as const satisfies Readonly<Record<string, Limit>>

export type LimitKind = keyof typeof limits

/** Connections of one unauthenticated address at the same time: what Postfix and Exim open to one host, and some more. */
export const connectionsPerAddress = 20
/** All addresses of its network (/24, /48) together may have as many as so many of them. */
export const neighbours = 4

/** How far a history moves the limits of an address: spammers get a quarter, who sent well for days four times as much. */
export const leastFactor = 0.25
export const mostFactor = 4

/** How long an address is banned from signing in; each ban within a week of the last takes twice as long. */
export const banMs = { first: hourMs, most: 24 * hourMs, forgottenAfter: 7 * 24 * hourMs } as const

/** Greylisting: a real server comes again after a minute or more, and within a day. Who did is known for a month and a bit. */
export const greylistMs = { delay: minuteMs, window: 24 * hourMs, known: 35 * 24 * hourMs } as const

/** Tarpit: the first errors of a session cost nothing; then each answer waits, twice as long each time. Only so many sessions wait at once. */
export const tarpit = { free: 3, firstMs: 250, mostMs: 8_000, atOnce: 200 } as const

/** For so long an address from which somebody signed in, or to which he wrote, is known. */
export const acquaintanceMs = 400 * 24 * hourMs

/** Entries of one list: it is asked by key, never held whole. */
export const maxListEntries = 100_000
