// SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS: who may do what with a mailbox.

import { Fault, SyntaxFault } from '../../../base/index.ts'
import { type AclChange, allRights } from '../../../mail/index.ts'
import { saslPrep } from '../../../sasl/index.ts'
import { type Cursor, formatMailbox, formatString } from '../../wire/index.ts'
import { type AuthenticatedContext, type Command, command } from '../command.ts'

/** An entry's name as it was given, prepared; a leading `-` makes it a negative one (RFC 4314 §2). */
interface Identifier {
  readonly given: string
  readonly name: string
  readonly negative: boolean
}

function parseIdentifier(p: Cursor): Identifier {
  const given = p.astringText()
  // RFC 4314 §3: what preparation leaves empty is an error.
  const prepared = saslPrep(given).trim()
  const negative = prepared.startsWith('-')
  const name = negative ? prepared.slice(1) : prepared
  if (name === '') p.fail('the identifier is empty')
  return { given, name, negative }
}

/** RFC 4314 §2.1.1: of the two readings of RFC 2086 the one that Cyrus and Dovecot have. */
const virtual: { readonly [letter: string]: string } = { c: 'kx', d: 'et' }

function parseRights(p: Cursor): Pick<AclChange, 'mode' | 'rights'> {
  const text = p.astringText()
  const mode = text[0] === '+' ? 'add' : text[0] === '-' ? 'remove' : 'replace'
  let rights = ''
  for (const letter of mode === 'replace' ? text : text.slice(1)) {
    const meant = virtual[letter] ?? letter
    // RFC 4314 §3.1: a right that is not known is never passed over.
    if (!allRights.includes(meant) && !(letter in virtual)) throw new SyntaxFault(`there is no right "${letter}"`)
    rights += meant
  }
  return { mode, rights }
}

/** Rights as older clients want to see them too (RFC 4314 §2.1.1). */
export function formatRights(rights: string): string {
  let text = rights
  for (const [letter, members] of Object.entries(virtual))
    if ([...members].some((right) => rights.includes(right))) text += letter
  return text
}

/**
 * The user that is meant: his address, an alias of his or one in an alias of his domain; without a domain that of who asks. `anyone` would be everybody of every domain of
 * this server, who may not even know one another: nobody is.
 */
async function findUser({ services, login }: AuthenticatedContext, { name }: Identifier) {
  if (name === 'anyone' || name === 'anonymous' || name === 'authenticated')
    throw new Fault('unsupported', 'mailboxes are shared with users by their addresses')
  const address = name.includes('@') ? name : name + login.email.slice(login.email.lastIndexOf('@'))
  const user = await services.accounts.findUser(address)
  if (!user) throw new Fault('invalid', 'there is no such user')
  return user
}

export const setAcl = command({
  name: 'SETACL',
  rfc: 'RFC 4314 §3.1',
  states: ['authenticated', 'selected'],
  capabilities: ['ACL', 'RIGHTS=kxte'],
  parse: (p) => ({ name: p.sp().mailbox(), who: parseIdentifier(p.sp()), change: parseRights(p.sp()) }),
  async run(context, { name, who, change }) {
    const { services, account, log } = context
    const { access } = await services.reads.resolve(account, name, 'a')
    const user = await findUser(context, who)
    await services.writes.setAcl(access, { ...change, account: user.id, negative: who.negative })
    log.info(
      { owner: access.owner, mailbox: access.mailbox, for: user.email, ...change, negative: who.negative },
      'shared',
    )
    return { text: 'done' }
  },
})

export const deleteAcl = command({
  name: 'DELETEACL',
  rfc: 'RFC 4314 §3.2',
  states: ['authenticated', 'selected'],
  capabilities: ['ACL'],
  parse: (p) => ({ name: p.sp().mailbox(), who: parseIdentifier(p.sp()) }),
  async run(context, { name, who }) {
    const { services, account } = context
    const { access } = await services.reads.resolve(account, name, 'a')
    const user = await findUser(context, who)
    const nothing = { mode: 'replace', rights: '' } as const
    await services.writes.setAcl(access, { ...nothing, account: user.id, negative: who.negative })
    return { text: 'done' }
  },
})

export const getAcl = command({
  name: 'GETACL',
  rfc: 'RFC 4314 §3.3',
  states: ['authenticated', 'selected'],
  capabilities: ['ACL'],
  parse: (p) => p.sp().mailbox(),
  async run({ services, account, out, connection }, name) {
    const { mailbox, access } = await services.reads.resolve(account, name, 'a')
    const entries = await services.reads.acl(access)
    const pairs = entries.map(
      ({ email, rights, negative }) => ` ${formatString(negative ? `-${email}` : email)} ${formatRights(rights)}`,
    )
    out.line(`* ACL ${formatMailbox(mailbox.name, connection.utf8)}${pairs.join('')}`)
    return { text: 'done' }
  },
})

export const listRights = command({
  name: 'LISTRIGHTS',
  rfc: 'RFC 4314 §3.4',
  states: ['authenticated', 'selected'],
  capabilities: ['ACL'],
  parse: (p) => ({ name: p.sp().mailbox(), who: parseIdentifier(p.sp()) }),
  async run(context, { name, who }) {
    const { services, account, out, connection } = context
    const { mailbox, access } = await services.reads.resolve(account, name, 'a')
    const user = await findUser(context, who)
    const isOwner = user.id === access.owner && !who.negative
    // The identifier as the client wrote it, so that it knows the answer for its own (RFC 4314 §3.4).
    const head = `* LISTRIGHTS ${formatMailbox(mailbox.name, connection.utf8)} ${formatString(who.given)}`
    out.line(isOwner ? `${head} ${formatRights(allRights)}` : `${head} "" ${[...formatRights(allRights)].join(' ')}`)
    return { text: 'done' }
  },
})

/** The untagged answer, also of LIST (RFC 8440 §3). */
export const formatMyRights = (name: string, rights: string, utf8: boolean): string =>
  `* MYRIGHTS ${formatMailbox(name, utf8)} ${formatRights(rights)}`

export const myRights = command({
  name: 'MYRIGHTS',
  rfc: 'RFC 4314 §3.5',
  states: ['authenticated', 'selected'],
  capabilities: ['ACL'],
  parse: (p) => p.sp().mailbox(),
  async run({ services, account, out, connection }, name) {
    const { mailbox, access } = await services.reads.resolve(account, name, 'any')
    out.line(formatMyRights(mailbox.name, access.rights, connection.utf8))
    return { text: 'done' }
  },
})

export const aclCommands: readonly Command[] = [setAcl, deleteAcl, getAcl, listRights, myRights]
