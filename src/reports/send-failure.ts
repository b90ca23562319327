// Sends what is told of one message that failed (RFC 9991), to whom the domain's record names.

import { randomBytes } from 'node:crypto'
import { formatAddress } from '../address/index.ts'
import { enqueueJob, type RunningJob } from '../jobs/index.ts'
import { headerBlock } from '../mime/index.ts'
import { composeReportMail } from './compose.ts'
import { verifyDestinations } from './destinations.ts'
import type { FailureJob } from './notes.ts'
import { parseDestinations } from './policy-record.ts'
import type { SendParts } from './send.ts'

/** Tries after which the DNS is not asked again: by then nobody looks for this message any more. */
const maxAttempts = 8

export async function sendFailure(parts: SendParts, job: FailureJob, running: RunningJob): Promise<void> {
  const { dns, clock, hostname, log, store } = parts
  const verified = await verifyDestinations(dns, job.domain, parseDestinations(job.ruf), 'ruf')
  if (verified.unknown && running.attempts < maxAttempts)
    throw new Error(`the DNS does not say who wants failures of ${job.domain}`)
  const to = verified.wanted.map(({ address }) => formatAddress(address))
  if (to.length === 0) {
    log.info({ domain: job.domain, why: verified.refused }, 'a failure report has no reader')
    return
  }
  const { address, organization } = parts.sender()
  const fields = [...job.fields, ...(await spfField(parts, job.spfDomain))]
  const block = headerBlock()
  for (const [name, value] of fields) block.structured(name, value)
  const bytes = composeReportMail({
    from: { name: organization, address },
    to,
    subject: `DMARC failure report on ${job.domain}`,
    date: clock.now(),
    messageId: `${randomBytes(12).toString('hex')}@${hostname}`,
    multipart: 'report; report-type=feedback-report',
    parts: [
      { type: 'text/plain; charset=us-ascii', content: job.text },
      { type: 'message/feedback-report', content: block.build().toString('latin1') },
      // RFC 9991 §A: without the body it is these.
      { type: 'text/rfc822-headers', content: job.header },
    ],
  })
  await store.write([], async (tx) => {
    const content = await parts.putContent(tx, bytes)
    await enqueueJob(tx, 'post', { from: address, to, content, utf8: false })
    await running.done(tx)
  })
  log.info({ domain: job.domain, to }, 'failure report')
}

/** RFC 6591 §3.2.6: what SPF has read. */
async function spfField({ dns }: SendParts, domain: string | undefined): Promise<[string, string][]> {
  if (domain === undefined) return []
  const answer = await dns.txt(domain)
  const record =
    answer.status === 'ok' ? answer.records.find((text) => text.toLowerCase().startsWith('v=spf1')) : undefined
  if (record === undefined || !isPlain(record)) return []
  return [['SPF-DNS', `txt : ${domain} : "${record}"`]]
}

/** What can stand between quotes. */
function isPlain(text: string): boolean {
  for (const c of text) if (c < ' ' || c > '~' || c === '"' || c === '\\') return false
  return text.length <= 500
}
