// GETQUOTA, GETQUOTAROOT, SETQUOTA. An account is one quota root: '' is one's own, `Shared/<address>` that of somebody who shares.

import { Fault } from '../../../base/index.ts'
import { type Access, type QuotaLimits, sharedPrefix } from '../../../mail/index.ts'
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

/** The account behind a root that this account may ask about: its own, one that lets it insert, to an administrator any. */
async function ownerOf(context: AuthenticatedContext, root: string): Promise<Access['owner']> {
  const { services, account } = context
  if (root === '') return account
  const shared = (await services.reads.shared(account)).find(
    ({ access }) => rootOf(access) === root && access.rights.includes('r') && access.rights.includes('i'),
  )
  if (shared) return shared.access.owner
  const user = root.startsWith(sharedPrefix) && (await isAdmin(context))
  const found = user ? await services.accounts.findUser(root.slice(sharedPrefix.length)) : undefined
  if (!found) throw new Fault('not-found', 'there is no such quota root')
  return found.id
}

const isAdmin = async ({ services, account }: AuthenticatedContext): Promise<boolean> =>
  (await services.accounts.account(account))?.admin === true

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

/** Bytes, or a number of messages, by the names of resources. */
function parseLimits(p: Cursor): QuotaLimits & { readonly unknown?: string } {
  const limits: { quotaBytes?: number; quotaMessages?: number; unknown?: string } = {}
  p.expect('(')
  while (!p.has(')')) {
    const resource = p.word()
    const limit = p.sp().number64()
    if (resource === 'STORAGE') limits.quotaBytes = limit * UNIT
    else if (resource === 'MESSAGE') limits.quotaMessages = limit
    else limits.unknown = resource
    p.has(' ')
  }
  if (!Number.isSafeInteger(limits.quotaBytes ?? 0)) p.fail('the limit is too large')
  return limits
}

export const setQuota = command({
  name: 'SETQUOTA',
  rfc: 'RFC 9208 §4.1.3',
  states: ['authenticated', 'selected'],
  capabilities: ['QUOTA', 'QUOTASET'],
  parse: (p) => ({ root: p.sp().astringText(), limits: parseLimits(p.sp()) }),
  async run(context, { root, limits }) {
    const { services, account, out, log } = context
    const owner = await ownerOf(context, root)
    if (limits.unknown !== undefined) throw new Fault('unsupported', `${limits.unknown} cannot be limited here`)
    await services.writes.setQuota(account, owner, limits)
    log.info({ owner, ...limits }, 'quota set')
    const quota = await formatQuota(context, root, owner)
    if (quota) out.line(quota)
    return { text: 'done' }
  },
})

export const quotaCommands: readonly Command[] = [getQuota, getQuotaRoot, setQuota]
