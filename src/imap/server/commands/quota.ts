// GETQUOTA, GETQUOTAROOT, SETQUOTA. An account is one quota root: '' is one's own, `Shared/<address>` that of somebody who shares.

import { Fault } from '../../../base/index.ts'
import type { Access } from '../../../mail/index.ts'
import { type Cursor, formatMailbox, formatString } from '../../wire/index.ts'
import { type AuthenticatedContext, type Command, command } from '../command.ts'

/** RFC 9208 §5.1: STORAGE counts units of 1,024 octets. */
const UNIT = 1024

const rootOf = ({ prefix }: Access): string => prefix.slice(0, -1)

/** What is used and what may be, each limit that there is. Undefined without any: RFC 9208 §7 knows no root without a resource. */
async function formatQuota({ services }: AuthenticatedContext, root: string, owner: Access['owner']) {
  const { usedBytes, usedMessages, quotaBytes, quotaMessages } = await services.reads.quota(owner)
  const resources: string[] = []
  if (quotaBytes !== undefined)
    resources.push(`STORAGE ${Math.ceil(usedBytes / UNIT)} ${Math.floor(quotaBytes / UNIT)}`)
  if (quotaMessages !== undefined) resources.push(`MESSAGE ${usedMessages} ${quotaMessages}`)
  return resources.length > 0 ? `* QUOTA ${formatString(root)} (${resources.join(' ')})` : undefined
}

export const getQuotaRoot = command({
  name: 'GETQUOTAROOT',
  rfc: 'RFC 9208 §4.1.2',
  states: ['authenticated', 'selected'],
  capabilities: ['QUOTA'],
  parse: (p) => p.sp().mailbox(),
  async run(context, name) {
    const { services, account, out, connection } = context
    const { mailbox, access } = await services.reads.resolve(account, name, 'r')
    const root = rootOf(access)
    // How full another's account is matters to those who may put something there.
    const mayAsk = access.owner === account || access.rights.includes('i')
    const quota = mayAsk ? await formatQuota(context, root, access.owner) : undefined
    out.line(`* QUOTAROOT ${formatMailbox(mailbox.name, connection.utf8)}${quota ? ` ${formatString(root)}` : ''}`)
    if (quota) out.line(quota)
    return { text: 'done' }
  },
})

/** The account behind a root that this account may ask about. */
async function ownerOf({ services, account }: AuthenticatedContext, root: string): Promise<Access['owner']> {
  if (root === '') return account
  const shared = (await services.reads.shared(account)).find(
    ({ access }) => rootOf(access) === root && access.rights.includes('r') && access.rights.includes('i'),
  )
  if (!shared) throw new Fault('not-found', 'there is no such quota root')
  return shared.access.owner
}

export const getQuota = command({
  name: 'GETQUOTA',
  rfc: 'RFC 9208 §4.1.1',
  states: ['authenticated', 'selected'],
  capabilities: ['QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE'],
  parse: (p) => p.sp().astringText(),
  async run(context, root) {
    const quota = await formatQuota(context, root, await ownerOf(context, root))
    if (!quota) throw new Fault('not-found', 'there is no such quota root')
    context.out.line(quota)
    return { text: 'done' }
  },
})

function parseLimits(p: Cursor): readonly { readonly resource: string; readonly limit: number }[] {
  const limits: { resource: string; limit: number }[] = []
  p.expect('(')
  while (!p.has(')')) {
    limits.push({ resource: p.word(), limit: p.sp().number64() })
    p.has(' ')
  }
  return limits
}

/** Limits are the administrator's, who sets them at the command line: here nobody does, and QUOTASET is not announced. */
export const setQuota = command({
  name: 'SETQUOTA',
  rfc: 'RFC 9208 §4.1.3',
  states: ['authenticated', 'selected'],
  capabilities: ['QUOTA'],
  parse: (p) => ({ root: p.sp().astringText(), limits: parseLimits(p.sp()) }),
  async run(context, { root }) {
    await ownerOf(context, root)
    throw new Fault('denied', 'quotas are set by the administrator of this server')
  },
})

export const quotaCommands: readonly Command[] = [getQuota, getQuotaRoot, setQuota]
