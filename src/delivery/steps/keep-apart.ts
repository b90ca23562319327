// Puts what is kept apart into the quarantine, in the transaction that delivers to the others: what was answered 250 is somewhere.

import { formatAddress } from '../../address/index.ts'
import type { ContentId } from '../../base/index.ts'
import type { NewContent } from '../../mail/index.ts'
import { decodeWords, firstField } from '../../mime/index.ts'
import type { MailParams } from '../../smtp/wire/index.ts'
import { type Blobs, quarantineRows, type Writer } from '../../store/index.ts'
import { openParts } from '../open-parts.ts'
import { formatFinal } from '../prefix.ts'
import { visible } from '../quarantine/preview.ts'
import type { KeptParams } from '../quarantine/types.ts'
import type { Arrival, Envelope } from '../types.ts'
import type { KeptApart } from '../verdicts/judge.ts'

const dayMs = 86_400_000
const maxWords = 300

/** What a message says of itself, as text that can be shown. */
export interface Said {
  readonly author: string
  readonly subject: string
}

/** Reads that, when any of the message is kept apart. */
export async function readSaid(blobs: Pick<Blobs, 'read' | 'stream'>, content: NewContent): Promise<Said> {
  const { header } = await openParts(blobs, content)
  const say = (name: string) => visible(decodeWords(firstField(header, name) ?? ''), maxWords)
  return { author: say('from'), subject: say('subject') }
}

/** When it goes, if nobody does anything. */
export const expiryOf = ({ receivedAt }: Arrival, { days }: KeptApart): number => receivedAt + days * dayMs

export async function keepApart(
  tx: Writer,
  {
    arrival,
    envelope,
    keptApart,
    received,
    content,
    size,
    said,
  }: {
    readonly arrival: Arrival
    readonly envelope: Envelope
    readonly keptApart: readonly KeptApart[]
    readonly received: Uint8Array
    readonly content: ContentId
    readonly size: number
    readonly said: Said
  },
): Promise<void> {
  const sender = envelope.from === null ? null : formatAddress(envelope.from)
  for (const one of keptApart) {
    const { decision, domain, copy, address, fields } = one
    const above = copy ? [Buffer.from(formatFinal(envelope.from, copy.address))] : []
    const prefix = Buffer.concat([...above, fields, received])
    await quarantineRows.insert(tx, {
      trace: arrival.traceId,
      domain,
      account: copy?.account ?? null,
      address: formatAddress(address),
      sender,
      author: said.author,
      subject: said.subject,
      content,
      prefix,
      size: size + prefix.length,
      kind: decision.kind ?? 'spam',
      reasons: JSON.stringify(decision.reasons),
      params: JSON.stringify(toParams(arrival, envelope, one)),
      received_at: arrival.receivedAt,
      expires_at: expiryOf(arrival, one),
    })
  }
}

function toParams({ account }: Arrival, { utf8, params }: Envelope, { onward }: KeptApart): KeptParams {
  if (!onward) return {}
  const { via, recipient, lifetime } = onward
  const kept = params && withoutTimes(params)
  return {
    onward: {
      recipient,
      utf8,
      ...(via && { via }),
      ...(lifetime !== undefined && { lifetime }),
      ...(account !== undefined && { account }),
      ...(kept && { params: kept }),
    },
  }
}

/** A time that was asked for means nothing once somebody had to decide, and what is kept has lines. */
function withoutTimes({ by: _by, holdUntil: _hold, binary: _binary, ...rest }: MailParams): MailParams {
  return rest
}
