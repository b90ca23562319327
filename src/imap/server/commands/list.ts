// LIST and LSUB with the selection and return options of RFC 5258, special-use attributes and STATUS (RFC 5819).

import type { Located } from '../../../mail/index.ts'
import { type Cursor, formatMailbox } from '../../wire/index.ts'
import { type AuthenticatedContext, type Command, command } from '../command.ts'
import { joinPattern, matchesPattern, parentsOf, SEPARATOR } from '../names.ts'
import { specialUseOf } from '../special-use.ts'
import { formatMyRights } from './acl.ts'
import { parseEntries, writeListMetadata } from './metadata.ts'
import { formatStatus, parseStatusItems, type StatusItem } from './status.ts'

interface ListArguments {
  readonly extended: boolean
  readonly select: ReadonlySet<string>
  readonly reference: string
  readonly patterns: readonly string[]
  readonly returns: ReadonlySet<string>
  readonly status?: readonly StatusItem[]
  readonly entries?: readonly string[]
}

const selectOptions = new Set(['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE'])
const returnOptions = new Set(['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE', 'STATUS', 'MYRIGHTS', 'METADATA'])
const MAX_PATTERNS = 50

function parseList(p: Cursor): ListArguments {
  p.sp()
  const chosen = p.peek() === '(' ? parseSelection(p) : undefined
  const reference = p.mailbox()
  p.sp()
  const several = p.peek() === '('
  const patterns = several ? p.list(() => p.listMailbox()) : [p.listMailbox()]
  if (patterns.length > MAX_PATTERNS) p.fail(`more than ${MAX_PATTERNS} patterns`)
  const returns = p.has(' ') ? parseReturns(p) : undefined
  return {
    extended: chosen !== undefined || several || returns !== undefined,
    select: chosen ?? new Set(),
    reference,
    patterns,
    returns: returns?.options ?? new Set(),
    status: returns?.status,
    entries: returns?.entries,
  }
}

function parseSelection(p: Cursor): Set<string> {
  const options = new Set<string>()
  p.expect('(')
  while (!p.has(')')) {
    const option = p.word()
    if (!selectOptions.has(option)) p.fail(`LIST selects by no ${option}`)
    options.add(option)
    p.has(' ')
  }
  p.sp()
  // RFC 5258 §3.1: RECURSIVEMATCH modifies another option.
  if (options.has('RECURSIVEMATCH') && !options.has('SUBSCRIBED') && !options.has('SPECIAL-USE'))
    p.fail('RECURSIVEMATCH needs a base option')
  return options
}

function parseReturns(p: Cursor): { options: Set<string> } & Pick<ListArguments, 'status' | 'entries'> {
  if (p.word() !== 'RETURN') p.fail('expected RETURN')
  const options = new Set<string>()
  let status: readonly StatusItem[] | undefined
  let entries: readonly string[] | undefined
  p.sp().expect('(')
  while (!p.has(')')) {
    const option = p.word()
    if (!returnOptions.has(option)) p.fail(`LIST returns no ${option}`)
    if (option === 'STATUS') status = parseStatusItems(p.sp())
    if (option === 'METADATA') entries = parseEntries(p.sp())
    options.add(option)
    p.has(' ')
  }
  return { options, status, entries }
}

/** One name of the hierarchy: a mailbox, a name that only has children, or a subscription without either. */
interface Node {
  readonly name: string
  located?: Located
  subscribed: boolean
  children: boolean
  subscribedBelow: boolean
  specialBelow: boolean
}

/** Every name of the account with its parents, INBOX first, then parents before children. */
function buildTree(mailboxes: readonly Located[], subscriptions: readonly string[]): Node[] {
  const nodes = new Map<string, Node>()
  const node = (name: string): Node => {
    let found = nodes.get(name)
    if (!found) {
      found = { name, subscribed: false, children: false, subscribedBelow: false, specialBelow: false }
      nodes.set(name, found)
    }
    return found
  }
  for (const located of mailboxes) {
    const { mailbox } = located
    node(mailbox.name).located = located
    for (const parent of parentsOf(mailbox.name)) {
      node(parent).children = true
      if (specialUseOf(mailbox.role)) node(parent).specialBelow = true
    }
  }
  for (const name of subscriptions) {
    node(name).subscribed = true
    for (const parent of parentsOf(name)) node(parent).subscribedBelow = true
  }
  return [...nodes.values()].sort(compareNodes)
}

/** Level by level, so that a parent stands before its children. */
function compareNodes(a: Node, b: Node): number {
  if (a.name === 'INBOX' || b.name === 'INBOX') return a.name === b.name ? 0 : a.name === 'INBOX' ? -1 : 1
  const left = a.name.replaceAll(SEPARATOR, '\0')
  const right = b.name.replaceAll(SEPARATOR, '\0')
  return left < right ? -1 : left > right ? 1 : 0
}

const specialUse = ({ located }: Node) => specialUseOf(located?.mailbox.role)

/** The attributes, or undefined when the node is not to be listed. Special use is always told: clients do not ask for it. */
function describe(node: Node, args: ListArguments): { attributes: string[]; childInfo: string[] } | undefined {
  const { select, returns, extended } = args
  const wantSubscribed = select.has('SUBSCRIBED')
  const wantSpecial = select.has('SPECIAL-USE')
  const use = specialUse(node)
  const exists = node.located !== undefined
  const matches = (!wantSubscribed || node.subscribed) && (!wantSpecial || use !== undefined)
  const childInfo: string[] = []
  if (select.has('RECURSIVEMATCH')) {
    if (wantSubscribed && node.subscribedBelow) childInfo.push('"SUBSCRIBED"')
    if (wantSpecial && node.specialBelow) childInfo.push('"SPECIAL-USE"')
  }
  if (!matches && childInfo.length === 0) return undefined
  // A name that is only subscribed, or only a subscription's parent, shows in lists of subscriptions alone.
  if (!exists && !node.children && !wantSubscribed) return undefined
  const attributes: string[] = []
  if (!exists) attributes.push(extended ? '\\NonExistent' : '\\Noselect')
  attributes.push(node.children ? '\\HasChildren' : '\\HasNoChildren')
  if (use) attributes.push(use)
  if (node.subscribed && (wantSubscribed || returns.has('SUBSCRIBED'))) attributes.push('\\Subscribed')
  return { attributes, childInfo }
}

async function readTree({ services, account }: AuthenticatedContext): Promise<Node[]> {
  const [mailboxes, subscriptions] = await Promise.all([
    services.reads.visible(account),
    services.reads.subscriptions(account),
  ])
  return buildTree(mailboxes, subscriptions)
}

export const list = command({
  name: 'LIST',
  rfc: 'RFC 9051 §6.3.9',
  states: ['authenticated', 'selected'],
  // RFC 3348, RFC 6154, RFC 5258 and RFC 5819, which IMAP4rev2 took in; RFC 8440; RFC 9590.
  capabilities: ['CHILDREN', 'SPECIAL-USE', 'LIST-EXTENDED', 'LIST-STATUS', 'LIST-MYRIGHTS', 'LIST-METADATA'],
  parse: parseList,
  async run(context, args) {
    const { out, connection } = context
    const plain = !args.extended && args.patterns.length === 1
    // An empty pattern asks for the separator only (RFC 9051 §6.3.9).
    if (plain && args.patterns[0] === '') {
      out.line(`* LIST (\\Noselect) "${SEPARATOR}" ""`)
      return { text: 'done' }
    }
    const patterns = args.patterns.filter((pattern) => pattern !== '').map((p) => joinPattern(args.reference, p))
    for (const node of await readTree(context)) {
      if (!patterns.some((pattern) => matchesPattern(pattern, node.name))) continue
      const described = describe(node, args)
      if (!described) continue
      const { attributes, childInfo } = described
      const info = childInfo.length > 0 ? ` ("CHILDINFO" (${childInfo.join(' ')}))` : ''
      out.line(`* LIST (${attributes.join(' ')}) "${SEPARATOR}" ${formatMailbox(node.name, connection.utf8)}${info}`)
      // Each STATUS right behind its LIST: some clients pair them by order.
      if (args.status && node.located?.access.rights.includes('r'))
        out.line(await formatStatus(context, node.located, args.status))
      // RFC 8440 §3.
      if (args.returns.has('MYRIGHTS') && node.located)
        out.line(formatMyRights(node.name, node.located.access.rights, connection.utf8))
      if (args.entries && node.located) await writeListMetadata(context, node.located, args.entries)
      await out.pace()
    }
    return { text: 'done' }
  },
})

export const lsub = command({
  name: 'LSUB',
  rfc: 'RFC 3501 §6.3.9',
  states: ['authenticated', 'selected'],
  parse: (p) => ({ reference: p.sp().mailbox(), pattern: p.sp().listMailbox() }),
  async run(context, { reference, pattern }) {
    const { out, connection } = context
    if (pattern === '') out.line(`* LSUB (\\Noselect) "${SEPARATOR}" ""`)
    const joined = joinPattern(reference, pattern)
    for (const node of pattern === '' ? [] : await readTree(context)) {
      if (!matchesPattern(joined, node.name)) continue
      // RFC 3501 §6.3.9: with `%` a parent of a subscription is told as \Noselect when it is not subscribed itself.
      const through = !node.subscribed && node.subscribedBelow && pattern.endsWith('%')
      if (!node.subscribed && !through) continue
      const use = specialUse(node)
      const attributes = through || !node.located ? '\\Noselect' : (use ?? '')
      out.line(`* LSUB (${attributes}) "${SEPARATOR}" ${formatMailbox(node.name, connection.utf8)}`)
    }
    return { text: 'done' }
  },
})

export const listCommands: readonly Command[] = [list, lsub]
