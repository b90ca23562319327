// Whether a host may have a message, by what it offers: as it is, in another form, or not at all. Sends nothing.

import { needsUtf8 } from '../address/index.ts'
import type { OutgoingMail, SmtpConnection } from '../smtp/client/index.ts'
import type { Batch, Explanation, Outcome, Recipient } from './batch.ts'
import type { Opened } from './content.ts'
import { type Form, type Formed, isWorse, type Refused, readFacts, toForm } from './form.ts'
import { isLoopback } from './route.ts'
import type { Target } from './targets.ts'

/** Why a recipient cannot have it from this host; permanent, unless another host of the domain may still do better. */
export interface Misfit {
  /** Enhanced code (RFC 3463). */
  readonly status: string
  readonly reason: string
  readonly explained: Explanation
}
export interface MisfitOf {
  readonly recipient: Recipient
  readonly misfit: Misfit
}

export interface Fit {
  /** For the recipients that can be reached here; absent when there are none. */
  readonly mail?: OutgoingMail
  readonly recipients: readonly Recipient[]
  readonly misfits: readonly MisfitOf[]
}

type Hop = Pick<SmtpConnection, 'extensions' | 'tls'>

/** What the host at the other end may get of this batch. `now`: milliseconds since 1970. */
export async function fit(batch: Batch, opened: Opened, hop: Hop, target: Target, now: number): Promise<Fit> {
  const { mail, recipients } = batch
  const asked = findUnmet(batch, hop, target, now)
  if (asked) return refuseAll(recipients, asked)
  const reached = await whoNeedsNoUtf8(batch, opened, hop)
  const misfits = (reached === recipients ? [] : recipients)
    .filter((recipient) => !reached.includes(recipient))
    .map((recipient) => ({ recipient, misfit: noUtf8(target.host) }))
  if (reached.length === 0) return { recipients: [], misfits }
  const utf8 = mail.utf8 && hop.extensions.has('SMTPUTF8')

  const form: Form = mail.params.binary ? 'binary' : mail.body8 ? '8bit' : '7bit'
  const takes = takenForm(hop, utf8)
  const formed = isWorse(takes, form) ? await toForm(opened, takes) : { opened, form, size: mail.size }
  if ('refused' in formed) return refuseAll(recipients, noForm(target.host, form, formed.refused))
  const limit = Number(hop.extensions.get('SIZE') ?? 0)
  // RFC 1870 §6.1; 0 means no fixed limit.
  if (limit > 0 && formed.size > limit) return refuseAll(recipients, tooLarge(target.host, limit, formed.size))
  return { mail: toOutgoing(batch, reached, formed, utf8, hop, now), recipients: reached, misfits }
}

const refuseAll = (recipients: readonly Recipient[], misfit: Misfit): Fit => ({
  recipients: [],
  misfits: recipients.map((recipient) => ({ recipient, misfit })),
})

function toOutgoing(
  { mail }: Batch,
  recipients: readonly Recipient[],
  { opened, form, size }: Formed,
  utf8: boolean,
  hop: Hop,
  now: number,
): OutgoingMail {
  // The next hop is to hear of it only where it knows what is asked.
  const { requireTls, ...params } = mail.params
  const { by } = mail.params
  return {
    ...opened,
    from: mail.sender,
    recipients: recipients.map(({ address, params }) => ({ address, params })),
    size,
    utf8,
    body8: form !== '7bit',
    binary: form === 'binary',
    params: { ...params, ...(requireTls && hop.tls?.authorized && hop.extensions.has('REQUIRETLS') && { requireTls }) },
    ...(by && { by: { ...by, seconds: (by.at - now) / 1000 } }),
  }
}

/** Those who can have it where SMTPUTF8 is not offered: everybody of a message that asks for it without need (RFC 6531 §3.2). */
async function whoNeedsNoUtf8({ mail, recipients }: Batch, opened: Opened, hop: Hop): Promise<readonly Recipient[]> {
  if (!mail.utf8 || hop.extensions.has('SMTPUTF8')) return recipients
  if ((mail.sender && needsUtf8(mail.sender)) || (await readFacts(opened)).header8bit) return []
  return recipients.filter(({ address }) => !needsUtf8(address))
}

/** What the sender made a condition and the host does not offer. */
function findUnmet({ mail }: Batch, { extensions, tls }: Hop, target: Target, now: number): Misfit | undefined {
  const { requireTls, by } = mail.params
  // RFC 8689 §4.2.1: a certificate that we trust for the host's name, and a host that promises to ask the same of the next. Handing
  // a message to the store on this machine is delivery, which the option does not speak of. Whether the host's name is vouched for
  // was asked before it was connected to (tls-policy.ts).
  const delivers = target.lmtp && (target.path !== undefined || isLoopback(target.host))
  if (requireTls && !delivers) {
    if (!tls) return noTls(target.host, 'gave no TLS')
    if (!tls.authorized) return noTls(target.host, 'has no certificate for its name that we trust')
    if (!extensions.has('REQUIRETLS')) return noTls(target.host, 'does not offer REQUIRETLS')
  }
  // RFC 2852 §4: a message that must come back when its time is up goes only to who will send it back.
  if (by?.mode === 'return' && !target.lmtp) {
    if (!extensions.has('DELIVERBY')) return noDeadline(target.host)
    const least = Number(extensions.get('DELIVERBY') || 0)
    if ((by.at - now) / 1000 < least) return tooLate(target.host, least)
  }
  return undefined
}

function takenForm({ extensions }: Hop, utf8: boolean): Form {
  if (extensions.has('BINARYMIME') && extensions.has('CHUNKING')) return 'binary'
  // RFC 6531 §3.1: who offers SMTPUTF8 takes eight bits.
  return extensions.has('8BITMIME') || utf8 ? '8bit' : '7bit'
}

const noUtf8 = (host: string): Misfit => ({
  status: '5.6.7',
  reason: `${host} does not offer SMTPUTF8, which this message needs`,
  explained: {
    what: 'An address or the header has letters beyond ASCII, and the server of this recipient does not take such mail.',
    todo: 'Send it from and to addresses in plain ASCII, with a program that writes the header in ASCII.',
  },
})
const noForm = (host: string, form: Form, { status, why }: Refused['refused']): Misfit => ({
  status,
  reason: `${host} does not offer ${form === 'binary' ? 'BINARYMIME' : '8BITMIME'}, and ${why}`,
  explained: {
    what: 'The server of this recipient takes only mail in plain ASCII, and this message cannot be converted.',
    todo: 'Send it again as plain text, or with what it carries as an ordinary attachment, and not signed in this form.',
  },
})
const tooLarge = (host: string, limit: number, size: number): Misfit => ({
  status: '5.3.4',
  reason: `${host} takes at most ${limit} octets, this message has ${size}`,
  explained: {
    what: 'The message is larger than the server of this recipient accepts.',
    todo: 'Send smaller or fewer attachments, or a link to the file.',
  },
})
const noTls = (host: string, why: string): Misfit => ({
  status: '5.7.30',
  reason: `REQUIRETLS support required: ${host} ${why}`,
  explained: noTlsExplained,
})
/** For who asked for REQUIRETLS. */
export const noTlsExplained: Explanation = {
  what: 'You asked that this message travel only over verified TLS, and the server of this recipient cannot promise it.',
  todo: 'Send it without that requirement if it may be read on its way.',
}
const noDeadline = (host: string): Misfit => ({
  status: '5.3.3',
  reason: `${host} does not offer DELIVERBY, which this message needs`,
  explained: {
    what: 'You asked that this message come back unless it is delivered in time, and the server of this recipient cannot promise it.',
    todo: 'Send it without a time limit, or ask only to be told of a delay.',
  },
})
const tooLate = (host: string, least: number): Misfit => ({
  status: '5.4.7',
  reason: `${host} takes no message that has less than ${least} s left`,
  explained: {
    what: 'The time that you set for the delivery is too short for the server of this recipient.',
    todo: 'Send it with more time.',
  },
})

/** `unsure`: a host that was not reached may offer what is missing. */
export function toMisfitOutcome({ recipient, misfit }: MisfitOf, unsure: boolean): Outcome {
  const { status, reason, explained } = misfit
  if (unsure) return { recipient, result: 'retry', status: `4${status.slice(1)}`, reason }
  return { recipient, result: 'fail', status, reason, explained }
}
