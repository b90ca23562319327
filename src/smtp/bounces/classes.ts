// The kinds of refusals, and what each means in plain words: for people who wrote a message, and for lists of what waits.

/** Whom a refusal is about: only one about the recipient can make an address worth no further try. */
type About = 'recipient' | 'message' | 'sender' | 'way'

export interface ClassWords {
  readonly about: About
  /** Two or three words for a list. */
  readonly short: string
  readonly what: string
  readonly todo: string
}

const spelling = 'Check the spelling, or ask the recipient for the right address.'
const otherWay = 'Reach the recipient another way.'
const waitOrAsk = 'Try again later, or reach the recipient another way.'
const tellAdmin = 'Show this report to your administrator; writing it again will not help.'
const smaller = 'Send a smaller one, or a link instead of an attachment.'

export const classWords = {
  'bad-mailbox': {
    about: 'recipient',
    short: 'no such address',
    what: 'Nobody has this address there.',
    todo: spelling,
  },
  disabled: { about: 'recipient', short: 'mailbox off', what: 'The mailbox is switched off.', todo: otherWay },
  moved: { about: 'recipient', short: 'mailbox moved', what: 'The mailbox has moved.', todo: spelling },
  dns: {
    about: 'recipient',
    short: 'no mail server',
    what: 'The part after the @ does not lead to a mail server.',
    todo: spelling,
  },
  'mailbox-full': { about: 'way', short: 'mailbox full', what: 'The mailbox is full.', todo: waitOrAsk },
  'too-large': {
    about: 'message',
    short: 'too large',
    what: 'The message is too large for that server.',
    todo: smaller,
  },
  content: {
    about: 'message',
    short: 'content refused',
    what: 'The mail server there refused something in the message: an attachment, a link, or its form.',
    todo: 'Its own words below say what; leave that out and send it again.',
  },
  spam: {
    about: 'message',
    short: 'taken for spam',
    what: 'The mail server there takes the message for spam.',
    todo: 'Change its text and its links, or reach the recipient another way.',
  },
  'blocked-address': {
    about: 'sender',
    short: 'we are blocked',
    what: 'The mail server there blocks the network address of this server.',
    todo: tellAdmin,
  },
  unauthenticated: {
    about: 'sender',
    short: 'SPF/DKIM/DMARC',
    what: 'The mail server there could not verify that the message comes from your domain (SPF, DKIM or DMARC).',
    todo: tellAdmin,
  },
  'bad-sender': {
    about: 'sender',
    short: 'sender refused',
    what: 'The mail server there does not accept your address as the sender.',
    todo: tellAdmin,
  },
  'relay-denied': {
    about: 'way',
    short: 'relaying refused',
    what: 'The mail server there says that it does not take mail for this domain.',
    todo: 'Check the part after the @; if it is right, tell the administrator of that domain.',
  },
  'auth-required': {
    about: 'sender',
    short: 'sign-in wanted',
    what: 'The mail server there accepts mail for this address only from those who sign in or are allowed to write.',
    todo: 'Ask the recipient to allow your address, or show this report to your administrator.',
  },
  tls: { about: 'way', short: 'encryption', what: 'No safely encrypted connection came about.', todo: tellAdmin },
  greylisted: {
    about: 'way',
    short: 'greylisted',
    what: 'The mail server there asks strangers to come back later.',
    todo: waitOrAsk,
  },
  'rate-limited': {
    about: 'sender',
    short: 'too much at once',
    what: 'The mail server there takes only so much mail from us in a while.',
    todo: waitOrAsk,
  },
  loop: {
    about: 'way',
    short: 'mail loop',
    what: 'The message would have gone round in a circle.',
    todo: 'Tell the administrator of the domain that its mail is set up wrongly.',
  },
  routing: {
    about: 'way',
    short: 'unreachable',
    what: 'The mail server of the domain could not be reached.',
    todo: waitOrAsk,
  },
  expired: { about: 'way', short: 'gave up', what: 'It was tried for too long without success.', todo: waitOrAsk },
  policy: {
    about: 'message',
    short: 'refused by rules',
    what: 'The mail server there refused the message by its rules.',
    todo: 'Its own words below say why; show them to your administrator.',
  },
  protocol: {
    about: 'way',
    short: 'misunderstanding',
    what: 'The two mail servers did not understand each other.',
    todo: tellAdmin,
  },
  system: { about: 'way', short: 'trouble there', what: 'The mail server there has a fault.', todo: waitOrAsk },
  unknown: {
    about: 'message',
    short: 'refused',
    what: 'The mail server there did not accept the message.',
    todo: 'Its own words below say why; if they do not help, show them to your administrator.',
  },
} as const satisfies { readonly [name: string]: ClassWords }

export type ReplyClass = keyof typeof classWords
