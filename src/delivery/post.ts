// The job `post`: mail that the house itself writes (DSNs, reports) goes to mailboxes and the queue, in the transaction that ends the job.

import { type Address, type Path, parseAddress } from '../address/index.ts'
import { type ContentId, toId } from '../base/index.ts'
import type { JobHandler } from '../jobs/index.ts'
import { queueRows, toBuffer } from '../store/index.ts'
import { createTraceId } from '../trace/index.ts'
import type { DeliveryParts } from './receive.ts'
import { type SigningParts, signHouseMail } from './signing.ts'
import { deliverCopies, enqueue, toGroups, waitingCopy } from './steps/commit.ts'
import { expand, type Plan } from './steps/expand.ts'
import { prepareForwards } from './steps/forward.ts'
import { toTraceEntry } from './steps/note.ts'
import { putReported, putReturned } from './steps/returned.ts'
import type { Arrival, Envelope } from './types.ts'

export interface PostParts extends Omit<DeliveryParts, 'fault' | 'reporter'> {
  /** Absent: nothing is signed. */
  readonly signing?: Omit<SigningParts, 'clock' | 'log'>
}

export function createPostHandler(parts: PostParts): JobHandler<'post'> {
  const { store, mail, queue, trace, hostname, clock, log } = parts
  return async (payload, job) => {
    const content = toId<ContentId>(payload.content)
    const sender: Path = payload.from === null ? null : (parseAddress(payload.from) ?? null)
    const receivedAt = clock.now()
    const traceId = createTraceId(receivedAt)
    const arrival: Arrival = {
      kind: 'internal',
      clientIp: '127.0.0.1',
      helo: hostname,
      with: 'ESMTP',
      traceId,
      receivedAt,
      history: { events: [{ at: receivedAt, kind: 'written', ...about(payload.about) }], refused: [] },
    }
    const planned = await planPost(parts, arrival, sender, payload.to)
    const plan = await prepareForwards(parts, { arrival, envelope: toEnvelope(sender, parseAll(payload.to)) }, planned)
    const received = Buffer.from((await sign(parts, arrival, content)) ?? '')
    const scope = plan.copies.map(({ account }) => account)
    const queueId = await store.write(scope, async (tx) => {
      const facts = await mail.contentFacts(tx, content)
      const full = await deliverCopies(facts ? plan.copies : [], sender, received, ({ account }, prefix) =>
        mail.deliverStored(tx, account, { role: 'inbox' }, content, { flags: [], receivedAt, prefix }),
      )
      await job.done(tx)
      if (!facts) return undefined
      await putReturned(tx, plan, content, traceId)
      await putReported(tx, plan, content, arrival, '')
      const { requireTls, tlsOptional } = payload
      const params = { ...(requireTls && { requireTls }), ...(tlsOptional && { tlsOptional }) }
      const shared = { content, ...facts, sender, utf8: payload.utf8, params, received, trace: traceId }
      const queued = await enqueue(queue, tx, shared, toGroups(plan.outgoing, full.map(waitingCopy)))
      const envelope = toEnvelope(sender, parseAll(payload.to))
      const accepted = { arrival, envelope, plan, size: facts.size, full, queued }
      await trace.begin(tx, toTraceEntry(accepted, receivedAt))
      return queued[0]?.id
    })
    log.info({ id: traceId, queueId, kind: 'internal', from: payload.from, to: payload.to, content }, 'message')
  }
}

/** Reports to us are asked who sent them, as all mail is: ours too must say so (RFC 9990 §3.5.2, RFC 8460 §3). */
async function sign(parts: PostParts, arrival: Arrival, content: ContentId): Promise<string | undefined> {
  const { signing, store, clock, log } = parts
  if (!signing) return undefined
  // What the house writes stands in the database, whatever its size.
  const row = await store.read((tx) => queueRows.contentOf(tx, content))
  return row?.data ? signHouseMail({ ...signing, clock, log }, arrival, toBuffer(row.data)) : undefined
}

/**
 * Where the house's own mail goes. Who cannot be reached here is answered for by postmaster: a notice about a notice is never
 * written (RFC 5321 §6.1), and nothing is dropped in silence.
 */
async function planPost(parts: PostParts, arrival: Arrival, sender: Path, to: readonly string[]): Promise<Plan> {
  const { hostname, log } = parts
  const addresses = parseAll(to)
  const plan = await expand(parts, arrival, toEnvelope(sender, addresses))
  const reached = addresses.filter((_, i) => !('refusal' in plan.recipients[i]!))
  if (reached.length > 0 && reached.length === to.length) return plan
  const postmaster: Address = { local: 'postmaster', domain: hostname }
  const second = await expand(parts, arrival, toEnvelope(sender, [...reached, postmaster]))
  if ('refusal' in second.recipients.at(-1)!)
    log.error({ id: arrival.traceId, to }, 'mail of the server itself reaches nobody: there is no account')
  else log.warn({ id: arrival.traceId, to }, 'mail of the server itself goes to postmaster: a recipient is unknown')
  return second
}

const parseAll = (texts: readonly string[]): readonly Address[] => texts.flatMap((text) => parseAddress(text) ?? [])

const toEnvelope = (from: Path, to: readonly Address[]): Envelope => ({
  from,
  // RFC 3461 §6.1: nothing is reported of a report.
  to: to.map((address) => ({ address, params: { notify: [] } })),
  utf8: false,
  body: '8bitmime',
})

const about = (trace: string | undefined) => (trace === undefined ? {} : { about: trace })
