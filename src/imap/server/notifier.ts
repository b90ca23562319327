// What happens in mailboxes that a session has not open, for NOTIFY (RFC 5465). Reads what changed from the log and the rows of those
// mailboxes, never their messages: to watch a mailbox opens no view of it.

import type { AccountId, MailboxId } from '../../base/index.ts'
import type { Located } from '../../mail/index.ts'
import { type EventGroup, formatMailbox, type NotifyEvent, type NotifyFilter } from '../wire/index.ts'
import type { AuthenticatedContext } from './command.ts'
import { formatStatus, type StatusItem } from './commands/status.ts'
import { SEPARATOR } from './names.ts'
import type { Output } from './output.ts'
import { NotifyOverflow } from './replies.ts'
import { specialUseOf } from './special-use.ts'

/** Lines that wait for a client that does not let us speak; beyond, it is told that it missed some (RFC 5465 §5.8). */
const MAX_LINES = 1000
/** Mailboxes whose annotations are compared. */
const MAX_ANNOTATED = 200

/** Events of messages need "l" and "r" (RFC 5465 §3.1). */
const isReadable = ({ access: { rights } }: Located): boolean => rights.includes('l') && rights.includes('r')

export class Notifier {
  readonly #context: AuthenticatedContext
  readonly #groups: readonly EventGroup[]
  #known = new Map<MailboxId, Located>()
  #subscribed: ReadonlySet<string> = new Set()
  /** Names of annotations, of mailboxes that are watched for them; 0: the server's. */
  #annotated = new Map<number, readonly string[]>()
  #cursor = 0
  /** Mailboxes whose STATUS is to be told, with the items of it. */
  readonly #changed = new Map<MailboxId, Set<StatusItem>>()
  #lines: string[] = []
  #overflow = false
  #stopped = false
  #stopHearing = () => {}
  #cancelWait = () => {}
  #looking = false
  #again = false
  /** Called when there is something to tell. */
  onNews = () => {}

  private constructor(context: AuthenticatedContext, groups: readonly EventGroup[]) {
    this.#context = context
    this.#groups = groups
  }

  static async start(context: AuthenticatedContext, groups: readonly EventGroup[]): Promise<Notifier> {
    const notifier = new Notifier(context, groups)
    const { services, account, clock, limits } = context
    notifier.#cursor = (await services.reads.changes(account))?.cursor ?? 0
    await notifier.#readAll()
    if (notifier.#known.size > limits.notifyMailboxes) throw new NotifyOverflow(limits.notifyMailboxes)
    for (const { mailbox } of notifier.#known.values())
      if (notifier.#wants(mailbox.name, 'MailboxMetadataChange')) await notifier.#readAnnotations(mailbox.id)
    if (groups.some(({ events }) => events.has('ServerMetadataChange'))) await notifier.#readAnnotations(0 as MailboxId)
    notifier.#stopHearing = services.bell.on((ring) => {
      if ('account' in ring && notifier.#concerns(ring.account)) notifier.#look()
    })
    const poll = () => {
      notifier.#cancelWait = clock.after(limits.pollMs, () => {
        notifier.#look()
        poll()
      })
    }
    poll()
    return notifier
  }

  stop(): void {
    this.#stopped = true
    this.#stopHearing()
    this.#cancelWait()
  }

  get hasNews(): boolean {
    return this.#overflow || this.#lines.length > 0 || this.#changed.size > 0
  }

  /** Says what has gathered; false when it was too much, and the client has to ask anew (RFC 5465 §5.8). */
  async tell(out: Output): Promise<boolean> {
    if (this.#overflow) {
      out.line('* OK [NOTIFICATIONOVERFLOW] Too much happened: ask again')
      this.stop()
      return false
    }
    for (const line of this.#lines.splice(0)) out.line(line)
    const changed = [...this.#changed]
    this.#changed.clear()
    for (const [id, items] of changed) {
      const located = this.#known.get(id)
      if (located && isReadable(located)) out.line(await formatStatus(this.#context, located, [...items]))
      await out.pace()
    }
    return true
  }

  /** The state of every mailbox whose messages are watched (RFC 5465 §3.1). */
  async tellStates(): Promise<void> {
    const { out, connection } = this.#context
    for (const located of this.#known.values()) {
      const { name } = located.mailbox
      if (!isReadable(located) || name === connection.selectedName() || !this.#wants(name, 'MessageNew')) continue
      const items: StatusItem[] = ['MESSAGES', 'UIDNEXT', 'UIDVALIDITY']
      if (this.#wants(name, 'FlagChange')) items.push('UNSEEN')
      // What FlagChange asks for is no request for modseqs elsewhere.
      const line = await formatStatus(this.#context, located, items)
      out.line(this.#wants(name, 'FlagChange') ? withModseq(line, located.mailbox.modseq) : line)
      await out.pace()
    }
  }

  #concerns(account: AccountId): boolean {
    if (account === this.#context.account) return true
    for (const { access } of this.#known.values()) if (access.owner === account) return true
    return false
  }

  #wants(name: string, event: NotifyEvent): boolean {
    return this.#groups.some(({ filter, events }) => events.has(event) && this.#matches(filter, name))
  }

  #matches(filter: NotifyFilter, name: string): boolean {
    if (filter.kind === 'mailboxes') return filter.names.includes(name)
    if (filter.kind === 'subtree') return filter.names.some((top) => name === top || name.startsWith(top + SEPARATOR))
    if (filter.kind === 'subscribed') return this.#subscribed.has(name)
    // RFC 5465 §6.3: where mail may be delivered is not told apart.
    return !name.startsWith('Shared/')
  }

  /** One look at a time; a ring during one leads to another, a little later, so that a burst is one look. */
  #look(): void {
    if (this.#looking || this.#stopped) {
      this.#again = true
      return
    }
    this.#looking = true
    this.#again = false
    this.#readNews()
      .catch((error: unknown) => this.#context.log.error({ err: error }, 'changes could not be read'))
      .finally(() => {
        if (this.hasNews && !this.#stopped) this.onNews()
        this.#context.clock.after(this.#context.limits.notifyMs, () => {
          this.#looking = false
          if (this.#again) this.#look()
        })
      })
  }

  async #readNews(): Promise<void> {
    const { services, account } = this.#context
    const page = await services.reads.changes(account, this.#cursor)
    if (!page) return
    this.#cursor = page.cursor
    const touched = new Set<MailboxId>()
    let tree = page.startOver
    for (const { kind, container } of page.changes) {
      if (kind === 'mailbox' || kind === 'subscription') tree = true
      else if (kind === 'email') touched.add(container as MailboxId)
      else if (kind === 'annotation') await this.#compareAnnotations(container as MailboxId)
    }
    if (page.changes.length > 0) this.#again = true
    for (const { access } of this.#known.values()) if (access.owner !== account) touched.add(access.mailbox)
    for (const id of tree ? [] : touched) {
      const known = this.#known.get(id)
      const now = known && (await services.reads.resolveById(account, id))
      if (known && now) this.#compare(known, now)
      // Deleted, or shared with us no more.
      else if (known) tree = true
    }
    if (tree) await this.#compareAll()
    if (this.#known.size > this.#context.limits.notifyMailboxes) this.#overflow = true
  }

  async #readAll(): Promise<Map<MailboxId, Located>> {
    const { services, account } = this.#context
    const before = this.#known
    const own = await services.reads.mailboxes(account)
    const ownAccess = (mailbox: MailboxId) => ({
      actor: account,
      owner: account,
      mailbox,
      prefix: '',
      rights: allRights,
    })
    const found: Located[] = own.map((mailbox) => ({ mailbox, access: ownAccess(mailbox.id) }))
    found.push(...(await services.reads.shared(account)))
    this.#known = new Map(found.map((located) => [located.mailbox.id, located]))
    this.#subscribed = new Set(await services.reads.subscriptions(account))
    return before
  }

  async #compareAll(): Promise<void> {
    const subscribed = this.#subscribed
    const before = await this.#readAll()
    const renamed: [string, string][] = []
    for (const [id, now] of this.#known) {
      const known = before.get(id)
      if (!known) this.#named(now.mailbox.name)
      else if (known.mailbox.name !== now.mailbox.name) renamed.push([known.mailbox.name, now.mailbox.name])
      if (known) this.#compare(known, now)
    }
    for (const [from, to] of renamed) if (!renamed.some((above) => goesWith(above, [from, to]))) this.#named(to, from)
    for (const [id, { mailbox }] of before) if (!this.#known.has(id)) this.#named(mailbox.name)
    for (const name of [...subscribed].filter((each) => !this.#subscribed.has(each))) this.#subscription(name)
    for (const name of this.#subscribed) if (!subscribed.has(name)) this.#subscription(name)
  }

  /** What STATUS says of it has changed. */
  #compare(known: Located, now: Located): void {
    this.#known.set(now.mailbox.id, now)
    const { name, id, modseq } = now.mailbox
    const before = known.mailbox
    if (!isReadable(now) || modseq === before.modseq || name === this.#context.connection.selectedName()) return
    const { enabled } = this.#context.connection
    const items = this.#changed.get(id) ?? new Set<StatusItem>()
    const counted = now.mailbox.messages !== before.messages || now.mailbox.uidNext !== before.uidNext
    if (counted && this.#wants(name, 'MessageNew')) items.add('MESSAGES').add('UIDNEXT')
    if (
      !counted &&
      this.#wants(name, 'FlagChange') &&
      (enabled.has('CONDSTORE') || now.mailbox.unseen !== before.unseen)
    )
      items.add('UIDVALIDITY')
    if (items.size === 0) return
    if (now.mailbox.unseen !== before.unseen && this.#wants(name, 'FlagChange')) items.add('UNSEEN')
    if (enabled.has('CONDSTORE')) items.add('HIGHESTMODSEQ')
    this.#changed.set(id, items)
  }

  /** A name came, went or was changed; its parent is concerned too (RFC 5465 §5.4). */
  #named(name: string, from?: string): void {
    if (this.#wants(name, 'MailboxName') || (from !== undefined && this.#wants(from, 'MailboxName')))
      this.#say(this.#listLine(name, from))
    const parent = name.slice(0, Math.max(0, name.lastIndexOf(SEPARATOR)))
    if (parent !== '' && this.#wants(parent, 'MailboxName')) this.#say(this.#listLine(parent))
  }

  #subscription(name: string): void {
    // It is told too of a name that is subscribed no more, where that is what is watched.
    const wanted = this.#groups.some(
      ({ filter, events }) =>
        events.has('SubscriptionChange') && (filter.kind === 'subscribed' || this.#matches(filter, name)),
    )
    if (wanted) this.#say(this.#listLine(name))
  }

  #listLine(name: string, from?: string): string {
    const { utf8 } = this.#context.connection
    const names = [...this.#known.values()].map(({ mailbox }) => mailbox)
    const mailbox = names.find((each) => each.name === name)
    const attributes: string[] = mailbox ? [] : ['\\NonExistent']
    attributes.push(names.some((each) => each.name.startsWith(name + SEPARATOR)) ? '\\HasChildren' : '\\HasNoChildren')
    const use = specialUseOf(mailbox?.role)
    if (use) attributes.push(use)
    if (this.#subscribed.has(name)) attributes.push('\\Subscribed')
    const old = from === undefined ? '' : ` ("OLDNAME" (${formatMailbox(from, utf8)}))`
    return `* LIST (${attributes.join(' ')}) "${SEPARATOR}" ${formatMailbox(name, utf8)}${old}`
  }

  async #readAnnotations(id: MailboxId): Promise<readonly string[]> {
    if (this.#annotated.size >= MAX_ANNOTATED && !this.#annotated.has(id)) return []
    const { services, account } = this.#context
    const known = this.#known.get(id)
    if (known && !isReadable(known)) return []
    const access = known?.access ?? {
      actor: account,
      owner: account,
      mailbox: id,
      prefix: '',
      rights: '',
    }
    const names = (await services.reads.annotationNames(access)).map(({ entry }) => entry)
    this.#annotated.set(id, names)
    return names
  }

  /** Which value changed is not in the log: all are named, and those that went (RFC 5465 §5.6). */
  async #compareAnnotations(id: MailboxId): Promise<void> {
    const before = this.#annotated.get(id)
    if (before === undefined) return
    const entries = new Set([...before, ...(await this.#readAnnotations(id))])
    const name = this.#known.get(id)?.mailbox.name ?? ''
    if (entries.size > 0)
      this.#say(`* METADATA ${formatMailbox(name, this.#context.connection.utf8)} ${[...entries].join(' ')}`)
  }

  #say(line: string): void {
    if (this.#lines.includes(line)) return
    this.#lines.push(line)
    if (this.#lines.length > MAX_LINES) this.#overflow = true
  }
}

const allRights = 'lrswipkxtea'

/** The child of a mailbox that was renamed goes with it: it is not told (RFC 5465 §5.4). */
function goesWith([from, to]: readonly [string, string], [childFrom, childTo]: readonly [string, string]): boolean {
  if (!childFrom.startsWith(from + SEPARATOR)) return false
  return childTo === to + childFrom.slice(from.length)
}

const withModseq = (status: string, modseq: number) => `${status.slice(0, -1)} HIGHESTMODSEQ ${modseq})`
