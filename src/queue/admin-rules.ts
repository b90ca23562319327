// Rules of people on the queue: pausing, holding, another next hop. Each stands in the store with who made it, when and why; what
// it concerns is marked a page at a time, so that nobody looks for it again and again.

import { type Clock, Fault, type RecipientId } from '../base/index.ts'
import { queueLaneRows, queueRuleRows, type Store } from '../store/index.ts'
import { type Batch, toAddress } from './batch.ts'
import { checkRule, matches, type NewQueueRule, type QueueRule, type Rules, toRule } from './rules.ts'
import { heldBy, type Scheduler } from './scheduler.ts'

export interface RuleAdmin {
  rules(): Promise<readonly QueueRule[]>
  /** `recipients`: how many it holds from now on; not those of a provider, who is known only when mail is about to go. */
  addRule(rule: NewQueueRule): Promise<{ readonly id: number; readonly recipients: number }>
  /** Takes the rule away and lets go what it holds. Returns how many recipients. */
  removeRule(id: number): Promise<number>
  /** Lets go what it holds, and goes on to hold what comes. Returns how many recipients. */
  releaseRule(id: number): Promise<number>
}

export interface RuleAdminOptions {
  readonly store: Store
  readonly clock: Clock
  readonly rules: Rules
  readonly scheduler: Scheduler
  /** Rules name other next hops: what waits is looked up again. */
  readonly lookUpAgain: () => Promise<void>
  readonly wake: () => void
}

const page = 500
const maxRules = 1_000

export function createRuleAdmin(options: RuleAdminOptions): RuleAdmin {
  const { store, clock, rules, scheduler, wake } = options
  const reload = async () => rules.set((await store.read(queueRuleRows.list)).map(toRule))

  const releaseAll = async (id: number): Promise<number> => {
    let freed = 0
    for (let n = page; n === page; freed += n)
      n = await store.write([], (tx) => queueLaneRows.releaseRule(tx, id, clock.now(), page))
    wake()
    return freed
  }
  /** Marks what was there before. First the rule is in force, then memory lets go, then the store is gone through. */
  const hold = async (rule: QueueRule): Promise<number> => {
    scheduler.pauseHosts()
    if (rule.about === 'provider') return 0
    const concerns = ({ mail, recipients }: Batch) =>
      recipients.some(({ address }) => matches(rule, { sender: mail.sender, recipient: address }))
    await scheduler.withdraw(concerns)
    let held = 0
    for (let after = 0; ; ) {
      const rows = await store.read((tx) => queueLaneRows.rowsAfter(tx, after, page))
      const ids: RecipientId[] = []
      for (const { id, sender, address, state } of rows) {
        if (state === 'held') continue
        const path = sender === null ? null : toAddress(sender)
        if (matches(rule, { sender: path, recipient: toAddress(address) })) ids.push(id)
      }
      if (ids.length > 0) held += await store.write([], (tx) => queueLaneRows.holdFor(tx, ids, rule.id, heldBy(rule)))
      if (rows.length < page) return held
      after = rows.at(-1)!.id
    }
  }
  const find = async (id: number): Promise<QueueRule> => {
    await reload()
    const rule = rules.list.find((one) => one.id === id)
    if (!rule) throw new Fault('not-found', `there is no rule ${id} of the queue`)
    return rule
  }

  return {
    async rules() {
      await reload()
      return rules.list
    },
    async addRule(asked) {
      const { kind, about, pattern, target, reason, by } = checkRule(asked)
      await reload()
      if (rules.list.length >= maxRules) throw new Fault('limit', `the queue has ${maxRules} rules already`)
      const id = await store.write([], async (tx) => {
        tx.ring('queue')
        return queueRuleRows.insert(tx, { kind, about, pattern, target, reason, made_by: by, made_at: tx.now })
      })
      const rule = await find(id)
      if (kind === 'route') await options.lookUpAgain()
      return { id, recipients: kind === 'pause' ? await hold(rule) : 0 }
    },
    async removeRule(id) {
      const { kind } = await find(id)
      await store.write([], async (tx) => {
        await queueRuleRows.remove(tx, id)
        tx.ring('queue')
      })
      await reload()
      if (kind === 'route') await options.lookUpAgain()
      return releaseAll(id)
    },
    async releaseRule(id) {
      await find(id)
      return releaseAll(id)
    },
  }
}
