// Once a day: tells users who want to hear it what came into the quarantine for them since they last heard. The mail is written with the note that it was.

import type { DomainPolicies } from '../../accounts/index.ts'
import type { AccountId, Clock, ContentId } from '../../base/index.ts'
import { enqueueJob, type JobHandlers } from '../../jobs/index.ts'
import { formatDate } from '../../mime/index.ts'
import { quarantineRows, type Store, type Writer } from '../../store/index.ts'
import { visible } from './preview.ts'

export interface DigestParts {
  readonly store: Store
  readonly policies: DomainPolicies
  readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
  readonly hostname: string
  readonly clock: Clock
}

/** Local time, when people begin to read their mail. */
const hour = 6
const accountsAtOnce = 100
/** Messages that are told of one by one. */
const listed = 50
const maxWords = 120

export function digestHandlers(parts: DigestParts): Pick<JobHandlers, 'tell-of-quarantine'> {
  return {
    async 'tell-of-quarantine'(_payload, job) {
      await tellOfQuarantine(parts)
      await parts.store.write([], (tx) => job.again(tx, nextMorning(tx.now)))
    },
  }
}

/** How many were told. */
export async function tellOfQuarantine(parts: DigestParts): Promise<number> {
  const { store, policies } = parts
  let told = 0
  for (let after = 0; ; ) {
    const from = after
    const page = await store.read((tx) => quarantineRows.untold(tx, from, accountsAtOnce))
    for (const { account } of page) {
      after = account
      const policy = await store.read((tx) => policies.ofAccount(tx, account))
      if (policy?.settings.quarantineDigest !== 'daily' || policy.disabled) continue
      if (await tell(parts, account, policy.email)) told++
    }
    if (page.length < accountsAtOnce) return told
  }
}

async function tell({ store, putContent, hostname, clock }: DigestParts, account: AccountId, to: string) {
  return store.write([], async (tx) => {
    const rows = await quarantineRows.list(tx, { account, before: Number.MAX_SAFE_INTEGER }, listed + 1)
    const untold = rows.filter(({ told }) => told === 0)
    const [newest] = untold
    if (!newest || (await quarantineRows.tell(tx, account, newest.id)) === 0) return false
    const content = await putContent(tx, compose({ to, hostname, now: clock.now() }, untold))
    await enqueueJob(tx, 'post', { from: null, to: [to], content, utf8: false })
    return true
  })
}

function compose(
  { to, hostname, now }: { readonly to: string; readonly hostname: string; readonly now: number },
  rows: readonly quarantineRows.ListedRow[],
): Buffer {
  const shown = rows.slice(0, listed)
  const lines = [
    `From: Mail server <postmaster@${hostname}>`,
    `To: <${to}>`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <quarantine.${now}.${shown[0]!.id}@${hostname}>`,
    `Subject: ${rows.length > listed ? `More than ${listed}` : rows.length} new in your quarantine`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    'These messages came for you and were not delivered. They are kept until the day that stands with each, and then deleted.',
    'If you want one of them, tell your postmaster its number.',
    '',
    ...shown.flatMap(describe),
    ...(rows.length > listed ? ['… and more, which your postmaster can list.', ''] : []),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n`)
}

function describe(row: quarantineRows.ListedRow): string[] {
  const reasons = JSON.parse(row.reasons) as string[]
  return [
    `${row.id}  ${toDay(row.received_at)}, kept until ${toDay(row.expires_at)}`,
    `    from ${visible(row.author || row.sender || 'nobody', maxWords)}`,
    `    about ${visible(row.subject, maxWords) || 'nothing'}`,
    `    because ${visible(reasons.join('; '), 3 * maxWords)}`,
    '',
  ]
}

const toDay = (at: number) => new Date(at).toISOString().slice(0, 10)

function nextMorning(now: number): number {
  const next = new Date(now)
  next.setHours(hour, 0, 0, 0)
  if (next.getTime() <= now) next.setDate(next.getDate() + 1)
  return next.getTime()
}
