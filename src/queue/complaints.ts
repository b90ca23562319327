// Complaints as events: each is a numbered row that reputation and webhooks follow. What nobody signed for is told as such, and teaches nothing.

import type { DomainPolicies, DomainPolicy } from '../accounts/index.ts'
import { formatAddress, parseAddress, toAscii } from '../address/index.ts'
import type { Complaint } from '../smtp/bounces/index.ts'
import { complaintRows, type Writer } from '../store/index.ts'
import type { Returned, Sent } from './returned.ts'

export interface NotedComplaint {
  readonly complaint: Complaint
  /** The message of ours that its return path names. */
  readonly sent: Sent | undefined
  /** Recipients that were found in it, and whether they are suppressed now. */
  readonly returned: readonly Returned[]
  /** Timeline of the report. */
  readonly report: string
}

const maxRows = 50

/** In the transaction that suppresses. Nothing when it is about no domain of ours. */
export async function noteComplaint(
  tx: Writer,
  policies: DomainPolicies,
  { complaint, sent, returned, report }: NotedComplaint,
): Promise<void> {
  const policy = sent ? await policies.of(tx, sent.sender.domain) : await claimed(tx, policies, complaint)
  if (!policy) return
  const { type, agent = '', sourceIp = '', messageId = '' } = complaint
  const told = sent
    ? returned.map(({ recipient, suppressed }) => ({ recipient: formatAddress(recipient), suppressed }))
    : []
  const all =
    told.length > 0
      ? told
      : (complaint.recipients.length > 0 ? complaint.recipients : ['']).map((recipient) => ({
          recipient,
          suppressed: false,
        }))
  for (const { recipient, suppressed } of all.slice(0, maxRows))
    await complaintRows.insert(tx, {
      domain: policy.id,
      type,
      recipient,
      proven: sent ? 1 : 0,
      suppressed: suppressed ? 1 : 0,
      agent,
      source_ip: sourceIp,
      message_id: messageId,
      trace: sent?.trace ?? '',
      report,
    })
}

/** The domain of ours that it says it is about. */
async function claimed(
  tx: Writer,
  policies: DomainPolicies,
  { mailFrom, domain }: Complaint,
): Promise<DomainPolicy | undefined> {
  const names = [mailFrom === undefined ? undefined : parseAddress(mailFrom)?.domain, domain && toAscii(domain)]
  for (const name of names) {
    const policy = name ? await policies.of(tx, name.toLowerCase()) : undefined
    if (policy) return policy
  }
  return undefined
}
