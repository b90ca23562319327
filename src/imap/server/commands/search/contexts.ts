// Results that are kept up to date for a client (RFC 5267 §4.3): what comes to them and what leaves them is told as it happens, for as
// long as the mailbox is selected or until CANCELUPDATE.

import { toRanges } from '../../../../base/index.ts'
import { type SearchKey, type SortCriterion, savedResult, someKey } from '../../../wire/index.ts'
import type { SelectedContext } from '../../command.ts'
import type { ImapLimits } from '../../limits.ts'
import type { Output } from '../../output.ts'
import type { SelectedMailbox, TellingListener } from '../../selected.ts'
import { sortFound } from '../sort/order.ts'
import { formatInOrder } from './answer.ts'
import { type Criteria, type SearchContext, searchAmong } from './run.ts'

export interface UpdateRequest {
  readonly tag: string
  readonly byUid: boolean
  readonly criteria: Criteria
  /** The order of the result; absent: the mailbox's. */
  readonly sort?: readonly SortCriterion[]
}

type Limits = Pick<ImapLimits, 'updatedResults' | 'updatedUids'>

interface UpdatingContext extends UpdateRequest {
  /** UIDs in the result's order. */
  uids: readonly number[]
}

/** What changes without a message changing, or is known at one moment only. */
const unstableKinds = new Set<SearchKey['kind']>(['sequence', 'older', 'younger', 'recent'])
const isUnstable = (key: SearchKey) => unstableKinds.has(key.kind) || (key.kind === 'uid' && key.set === savedResult)

const known = new WeakMap<SelectedMailbox, UpdateContexts>()

/** Those of the selected mailbox: they end with it. */
export function contextsOf(context: SelectedContext): UpdateContexts {
  const { selected, limits } = context
  let contexts = known.get(selected)
  if (!contexts) {
    contexts = new UpdateContexts(context, selected, limits)
    known.set(selected, contexts)
    selected.listener = contexts
  }
  return contexts
}

export class UpdateContexts implements TellingListener {
  readonly #context: SearchContext
  readonly #selected: SelectedMailbox
  readonly #limits: Limits
  readonly #contexts = new Map<string, UpdatingContext>()
  readonly #touched = new Set<number>()
  #settling: Promise<void> = Promise.resolve()

  constructor(context: SearchContext, selected: SelectedMailbox, limits: Limits) {
    this.#context = context
    this.#selected = selected
    this.#limits = limits
  }

  has(tag: string): boolean {
    return this.#contexts.has(tag)
  }

  /** False: the result will not be kept up to date (RFC 5267 §4.3.1). */
  add(request: UpdateRequest, uids: readonly number[]): boolean {
    if (!this.#hasRoom(uids.length)) return false
    if (someKey(request.criteria.key, isUnstable)) return false
    // A score is told in comparison with the others.
    if (request.sort?.some(({ key }) => key === 'RELEVANCY')) return false
    this.#contexts.set(request.tag, { ...request, uids })
    return true
  }

  #hasRoom(count: number): boolean {
    if (this.#contexts.size === 0) return true
    let held = count
    for (const { uids } of this.#contexts.values()) held += uids.length
    return this.#contexts.size < this.#limits.updatedResults && held <= this.#limits.updatedUids
  }

  remove(tag: string): boolean {
    return this.#contexts.delete(tag)
  }

  /** Before EXPUNGE, so that numbers still are what they were (RFC 5267 §4.3.4). */
  expunging(uids: readonly number[], out: Output): void {
    const gone = new Set(uids)
    for (const context of this.#contexts.values()) this.#leave(context, gone, out)
  }

  touched(uids: Iterable<number>): void {
    if (this.#contexts.size > 0) for (const uid of uids) this.#touched.add(uid)
  }

  /** Looks at what is new or changed, and tells what follows. One after the other: IDLE does not wait for it. */
  settle(): Promise<void> {
    this.#settling = this.#settling.catch(() => {}).then(() => this.#settle())
    return this.#settling
  }

  async #settle(): Promise<void> {
    if (this.#touched.size === 0) return
    const touched = toRanges(this.#touched)
    this.#touched.clear()
    const { out } = this.#context
    const picked = this.#selected.pick(touched, true)
    for (const context of [...this.#contexts.values()]) {
      const { uids } = await searchAmong(this.#context, this.#selected, context.criteria, picked)
      if (!this.#contexts.has(context.tag)) continue
      const now = new Set(uids)
      const known = new Set(context.uids)
      this.#leave(context, new Set([...picked.uids].filter((uid) => known.has(uid) && !now.has(uid))), out)
      await this.#join(
        context,
        uids.filter((uid) => !known.has(uid)),
        out,
      )
    }
    out.flush()
  }

  #leave(context: UpdatingContext, gone: ReadonlySet<number>, out: Output): void {
    const left = context.uids.filter((uid) => gone.has(uid))
    if (left.length === 0) return
    if (context.sort) {
      // From the end, so that no place moves before it is named.
      const pairs: string[] = []
      for (let place = context.uids.length; place > 0; place--) {
        const uid = context.uids[place - 1]!
        if (gone.has(uid)) pairs.push(`${place} ${this.#name(context, uid)}`)
      }
      this.#say(context, `REMOVEFROM (${pairs.join(' ')})`, out)
    } else this.#say(context, `REMOVEFROM (0 ${formatInOrder(left.map((uid) => this.#name(context, uid)))})`, out)
    context.uids = context.uids.filter((uid) => !gone.has(uid))
  }

  async #join(context: UpdatingContext, added: readonly number[], out: Output): Promise<void> {
    if (added.length === 0) return
    const all = [...context.uids, ...added].sort((a, b) => a - b)
    if (!context.sort) {
      context.uids = all
      this.#say(context, `ADDTO (0 ${formatInOrder(added.map((uid) => this.#name(context, uid)))})`, out)
      return
    }
    const sorted = await sortFound(this.#context, this.#selected, { uids: all, numbers: all }, context.sort)
    const fresh = new Set(added)
    // From the first: each takes its place before the next is named (RFC 5267 §4.3.3).
    const pairs = sorted.uids.flatMap((uid, i) => (fresh.has(uid) ? [`${i + 1} ${this.#name(context, uid)}`] : []))
    context.uids = sorted.uids
    this.#say(context, `ADDTO (${pairs.join(' ')})`, out)
  }

  #name({ byUid }: UpdatingContext, uid: number): number {
    return byUid ? uid : this.#selected.numberOf(uid)
  }

  #say({ tag, byUid }: UpdatingContext, item: string, out: Output): void {
    out.line(`* ESEARCH (TAG "${tag}")${byUid ? ' UID' : ''} ${item}`)
  }
}
