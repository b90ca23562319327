// Mailboxes by the names under which an account sees them: its own, and those that others share with it under `Shared/<address>/`.

import { formatAddress, normaliseLocal, parseAddress } from '../address/index.ts'
import type { AccountId, MailboxId } from '../base/index.ts'
import { accountRows, aclRows, domainRows, mailboxRows, type Reader } from '../store/index.ts'
import { parseSharedName, sharedPrefix } from './names.ts'
import { effectiveRights, isKnownWith, ownAccess } from './rights.ts'
import type { Located, Mailbox } from './types.ts'
import { toMailbox } from './values.ts'

/** Whose mailbox a name means, and its name there; undefined when nobody (any longer) has that address or he is disabled. */
export async function findNamespace(
  tx: Reader,
  actor: AccountId,
  name: string,
): Promise<{ readonly owner: AccountId; readonly name: string; readonly prefix: string } | undefined> {
  const shared = parseSharedName(name)
  if (!shared) return { owner: actor, name, prefix: '' }
  const address = parseAddress(shared.address)
  const domain = address && (await domainRows.findTarget(tx, address.domain))
  const row = domain && (await accountRows.findByLocal(tx, domain.id, normaliseLocal(address.local)))
  if (row?.disabled !== 0 || row.id === actor) return undefined
  return { owner: row.id, name: shared.name, prefix: prefixOf(row) }
}

const prefixOf = (address: { readonly local: string; readonly domain: string }) =>
  `${sharedPrefix}${formatAddress(address)}/`

/** The mailbox of that name, if the actor may know of it. */
export async function resolveMailbox(tx: Reader, actor: AccountId, name: string): Promise<Located | undefined> {
  const space = await findNamespace(tx, actor, name)
  const row = space && (await mailboxRows.findByName(tx, space.owner, space.name))
  if (!row) return undefined
  if (space.owner === actor) return own(toMailbox(row))
  const given = await aclRows.find(tx, row.id, actor)
  return given && shared(row, given, actor)
}

/** As `resolveMailbox`, by id: what the actor may do with it now. */
export async function resolveById(tx: Reader, actor: AccountId, id: MailboxId): Promise<Located | undefined> {
  const row = await mailboxRows.find(tx, id)
  if (!row) return undefined
  if (row.account === actor) return own(toMailbox(row))
  const given = await aclRows.find(tx, id, actor)
  return given && shared(row, given, actor)
}

const own = (mailbox: Mailbox): Located => ({ mailbox, access: ownAccess(mailbox.account, mailbox.id) })

function shared(row: mailboxRows.MailboxRow, given: aclRows.SharedRow, actor: AccountId): Located | undefined {
  const rights = effectiveRights(given)
  if (!isKnownWith(rights)) return undefined
  const prefix = prefixOf(given)
  const { role: _, ...mailbox } = toMailbox(row)
  return {
    // What is his Sent is not ours: the role stays with the owner.
    mailbox: { ...mailbox, name: prefix + mailbox.name },
    access: { actor, owner: mailbox.account, mailbox: mailbox.id, prefix, rights },
  }
}

/** Everything that others let the account look up ("l"). */
export async function listShared(tx: Reader, actor: AccountId): Promise<Located[]> {
  const found: Located[] = []
  for (let after = 0; ; ) {
    const page = await aclRows.sharedWith(tx, actor, after)
    const looked = page.filter((row) => row.owner !== actor && effectiveRights(row).includes('l'))
    const rows = new Map(
      (
        await mailboxRows.findAll(
          tx,
          looked.map(({ mailbox }) => mailbox),
        )
      ).map((row) => [row.id, row]),
    )
    for (const given of looked) {
      const row = rows.get(given.mailbox)
      const located = row && shared(row, given, actor)
      if (located) found.push(located)
    }
    if (page.length < 1000) return found
    after = page[page.length - 1]!.mailbox
  }
}
