// The queue for people: what waits and why, and what they want done with it. Tries nothing itself.

import { toAscii } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import { classifyText, classWords, findReply } from '../smtp/bounces/index.ts'
import { queueRows, type ReadStore, type Writer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import { createRuleAdmin, type RuleAdminOptions } from './admin-rules.ts'
import { type Mail, type Outcome, showPath, toMail, toRecipient } from './batch.ts'
import { cutHeader, readStart } from './content.ts'
import type { Recorder } from './record.ts'
import { checkTarget } from './rules.ts'
import type { SiteState } from './site.ts'
import type { TlsView } from './tls-view.ts'
import type { QueueAdmin, QueuedMessage, QueuedRecipient, QueueFilter, QueueStats } from './types.ts'

export interface AdminOptions extends RuleAdminOptions {
  readonly recorder: Recorder
  readonly trace?: TraceTx
  /** Of a domain in lower-case A-labels. */
  readonly viewTls: (domain: string) => Promise<TlsView>
}

/** What is done here, in timelines. */
type Noted =
  | { readonly kind: 'held' | 'released' | 'requeued' }
  | { readonly kind: 'rerouted'; readonly target?: string }
/** Who does it. */
const by = 'an administrator'
const page = 500
const maxHeader = 65_536

export function createAdmin(options: AdminOptions): QueueAdmin {
  const { store, clock, recorder, scheduler, trace, wake } = options
  let counted: Promise<QueueStats> | undefined
  const find = async (id: number): Promise<Mail> => {
    const [row] = await store.read((tx) => queueRows.messages(tx, [id]))
    if (!row) throw new Fault('not-found', `there is no message ${id} in the queue`)
    return toMail(row)
  }
  const note = async (tx: Writer, { trace: id }: Mail, fact: Noted) =>
    trace?.add(tx, id, { at: clock.now(), ...fact, by })
  /** First in the store, then in memory: what is read from now on is held. */
  const hold = async ({ id }: Mail, noted?: (tx: Writer) => Promise<void>): Promise<number> => {
    const held = await store.write([], async (tx) => {
      await noted?.(tx)
      return queueRows.hold(tx, id)
    })
    await scheduler.withdraw(({ mail }) => mail.id === id)
    return held
  }
  /** Takes all of it out as failed. */
  const fail = async (id: number, reason: string, status: string, bounce: boolean): Promise<number> => {
    const mail = await find(id)
    await hold(mail)
    const rows = await recipients(store, id)
    const outcomes = rows.map((row): Outcome => {
      return { recipient: toRecipient(row), result: 'fail', status, reason, by }
    })
    return recorder.remove(mail, outcomes, bounce)
  }
  /** Back to the beginning of its way: what is in memory goes back, and it is looked up again where it leads. */
  const again = async (id: number, change: (tx: Writer, mail: Mail) => Promise<unknown>): Promise<number> => {
    const mail = await find(id)
    await hold(mail)
    const freed = await store.write([], async (tx) => {
      await change(tx, mail)
      return queueRows.release(tx, id, clock.now())
    })
    wake()
    return freed
  }
  return {
    ...createRuleAdmin(options),
    async list({ after = 0, limit = 100, ...filter } = {}) {
      const wanted = Math.min(limit, page)
      const out: QueuedMessage[] = []
      for (let from = after; out.length < wanted; ) {
        const rows = await store.read((tx) => queueRows.listMessages(tx, from, page))
        for (const row of rows) {
          if (out.length === wanted) break
          const mail = toMail(row)
          if (!isFrom(mail, filter.sender)) continue
          const found = await describe(store, mail)
          const recipients = found.recipients.filter((one) => isWanted(one, filter))
          if (recipients.length > 0) out.push({ ...found, recipients })
        }
        if (rows.length < page) break
        from = rows.at(-1)!.id
      }
      return out
    },
    async show(id) {
      const mail = await find(id)
      const header = cutHeader(await readStart(store, mail, maxHeader)).toString()
      return { ...(await describe(store, mail)), header }
    },
    async retry(id) {
      if (id !== undefined) await find(id)
      scheduler.forgive()
      let due = 0
      // Pages, so that no statement is long; what was made due is not found again.
      for (let n = page; n === page; due += n)
        n = await store.write([], (tx) => queueRows.makeDue(tx, clock.now(), page, id))
      wake()
      return due
    },
    async hold(id) {
      const mail = await find(id)
      return hold(mail, (tx) => note(tx, mail, { kind: 'held' }))
    },
    async release(id) {
      const mail = await find(id)
      const freed = await store.write([], async (tx) => {
        await note(tx, mail, { kind: 'released' })
        return queueRows.release(tx, id, clock.now())
      })
      wake()
      return freed
    },
    remove: (id, { bounce = false } = {}) => fail(id, 'removed from the queue by an administrator', '5.0.0', bounce),
    expire: (id) => fail(id, 'given up by an administrator', '5.4.7', true),
    requeue: (id) =>
      again(id, async (tx, mail) => {
        await note(tx, mail, { kind: 'requeued' })
        await queueRows.renew(tx, id, clock.now())
      }),
    async route(id, target) {
      if (target !== undefined && target !== 'mx') checkTarget(target)
      const route = target === 'mx' ? '' : target
      const rows = await recipients(store, id)
      return again(id, async (tx, mail) => {
        await note(tx, mail, { kind: 'rerouted', ...(target !== undefined && { target }) })
        for (const row of rows) {
          const { route: _, ...params } = JSON.parse(row.params)
          await queueRows.setParams(tx, row.id, JSON.stringify({ ...params, ...(route !== undefined && { route }) }))
        }
      })
    },
    async tls(text) {
      const domain = toAscii(text)
      if (domain === undefined) throw new Fault('invalid', `${text} is no domain`)
      return options.viewTls(domain)
    },
    async sites() {
      const found = [...scheduler.sites.all.values()].map(({ state }) => state)
      const busy = ({ active, deadForMs, failure }: SiteState) => (active > 0 ? 2 : deadForMs > 0 || failure ? 1 : 0)
      return found.sort((a, b) => busy(b) - busy(a) || b.active - a.active).slice(0, maxListed)
    },
    async lanes() {
      return scheduler
        .laneStates()
        .sort((a, b) => b.active - a.active || b.waiting - a.waiting)
        .slice(0, maxListed)
    },
    stats: () => (counted ??= count()),
  }

  /** Counting a large queue takes a while: those who ask at once share one count. */
  async function count(): Promise<QueueStats> {
    try {
      const { first, ...counts } = await store.read(queueRows.counts)
      const sites = [...scheduler.sites.all.values()]
      return {
        ...counts,
        oldestDueMs: first === null ? 0 : Math.max(0, clock.now() - first),
        inMemory: scheduler.table.taken.size,
        active: scheduler.dispatch.active,
        lanes: scheduler.table.busy,
        sites: sites.length,
        sitesDead: sites.filter(({ deadForMs }) => deadForMs > 0).length,
      }
    } finally {
      counted = undefined
    }
  }
}

const maxListed = 1_000

function isFrom(mail: Mail, sender: string | undefined): boolean {
  if (sender === undefined) return true
  const wanted = sender.toLowerCase()
  if (mail.sender === null) return wanted === '<>'
  return wanted.includes('@') ? showPath(mail.sender).toLowerCase() === wanted : mail.sender.domain === wanted
}

function isWanted({ address, state }: QueuedRecipient, filter: Pick<QueueFilter, 'domain' | 'state'>): boolean {
  if (filter.state !== undefined && state !== filter.state) return false
  return filter.domain === undefined || address.endsWith(`@${filter.domain.toLowerCase()}`)
}

async function recipients(store: ReadStore, message: number): Promise<readonly queueRows.RecipientRow[]> {
  const out: queueRows.RecipientRow[] = []
  for (let after = 0; ; ) {
    const rows = await store.read((tx) => queueRows.recipientsOf(tx, message, after, page))
    out.push(...rows)
    if (rows.length < page) return out
    after = rows.at(-1)!.id
  }
}

async function describe(store: ReadStore, mail: Mail): Promise<QueuedMessage> {
  const rows = await recipients(store, mail.id)
  const list = rows.map(
    ({ id, address, state, attempts, next_at, reason }): QueuedRecipient => ({
      id,
      address,
      state,
      attempts,
      nextAt: next_at,
      reason,
      why: why(reason),
    }),
  )
  return { id: mail.id, sender: showPath(mail.sender), size: mail.size, createdAt: mail.arrived, recipients: list }
}

function why(reason: string): string {
  const found = classifyText(reason).class
  return reason === '' || (found === 'unknown' && !isReply(reason)) ? '' : classWords[found].short
}

/** Other reasons than replies are our own words, and say enough. */
const isReply = (reason: string): boolean => findReply(reason) !== undefined
