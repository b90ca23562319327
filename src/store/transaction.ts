// What every write transaction does beyond its statements: one modseq per account, change rows, rings. Knows no database.

import { type AccountId, Fault, formatRanges, normaliseRanges, type Range } from '../base/index.ts'
import { insertChange, nextModseq, takeRoom } from './rows/change.ts'
import type { ChangeNote, Reader, Ring, Scope, Sql, Topic, Writer } from './types.ts'

/** The statements of one open transaction on one connection. */
export interface Statements extends Reader {
  run(query: Sql): Promise<number>
  insert(query: Sql): Promise<number | undefined>
}

interface Noted {
  readonly account: AccountId
  readonly note: ChangeNote
  readonly ranges: Range[]
}

/** What is told after the commit. */
export interface Aftermath {
  readonly rings: readonly Ring[]
  readonly after: readonly (() => void)[]
}

export class Transaction implements Writer {
  readonly dialect: Reader['dialect']
  readonly now: number
  readonly #statements: Statements
  readonly #scope: Scope
  readonly #modseqs = new Map<AccountId, number>()
  readonly #noted = new Map<string, Noted>()
  readonly #topics = new Set<Topic>()
  readonly #after: (() => void)[] = []
  #ended = false

  constructor(statements: Statements, scope: Scope, now: number) {
    this.dialect = statements.dialect
    this.#statements = statements
    this.#scope = scope
    this.now = now
  }

  all<R>(query: Sql): Promise<R[]> {
    return this.#ended ? tooLate() : this.#statements.all<R>(query)
  }

  get<R>(query: Sql): Promise<R | undefined> {
    return this.#ended ? tooLate() : this.#statements.get<R>(query)
  }

  run(query: Sql): Promise<number> {
    return this.#ended ? tooLate() : this.#statements.run(query)
  }

  insert(query: Sql): Promise<number | undefined> {
    return this.#ended ? tooLate() : this.#statements.insert(query)
  }

  async modseq(account: AccountId): Promise<number> {
    const known = this.#modseqs.get(account)
    return known ?? this.leapModseq(account, 1)
  }

  async leapModseq(account: AccountId, by: number): Promise<number> {
    this.#assertInScope(account)
    const modseq = await nextModseq(this, account, by)
    if (modseq === undefined) throw new Fault('not-found', `there is no account ${account}`)
    this.#modseqs.set(account, modseq)
    return modseq
  }

  async takeRoom(account: AccountId, bytes: number, messages: number): Promise<boolean> {
    this.#assertInScope(account)
    const modseq = await takeRoom(this, account, bytes, messages, this.#modseqs.has(account) ? 0 : 1)
    if (modseq === undefined) return false
    this.#modseqs.set(account, modseq)
    return true
  }

  #assertInScope(account: AccountId): void {
    if (!inScope(this.#scope, account)) throw new Error(`account ${account} is not in the scope of this write`)
  }

  changed(account: AccountId, note: ChangeNote): void {
    if (this.#ended) throw ended()
    const key = `${account} ${note.kind} ${note.container} ${note.what}`
    const noted = this.#noted.get(key)
    if (noted) noted.ranges.push(...note.ids)
    else this.#noted.set(key, { account, note, ranges: [...note.ids] })
  }

  ring(topic: Topic): void {
    this.#topics.add(topic)
  }

  afterCommit(run: () => void): void {
    this.#after.push(run)
  }

  /** Writes the change rows; the transaction takes nothing more. */
  async finish(): Promise<Aftermath> {
    for (const { account, note, ranges } of this.#noted.values()) {
      const modseq = await this.modseq(account)
      await insertChange(this, account, modseq, note, formatRanges(normaliseRanges(ranges)))
    }
    this.end()
    const rings: Ring[] = []
    for (const [account, modseq] of this.#modseqs) rings.push({ account, modseq })
    for (const topic of this.#topics) rings.push({ topic })
    return { rings, after: this.#after }
  }

  /** Every later call fails: a work that goes on after its end cannot write into somebody else's transaction. */
  end(): void {
    this.#ended = true
  }
}

const ended = () => new Error('this transaction has ended: a work may use tx only until it returns')
const tooLate = () => Promise.reject(ended())

function inScope(scope: Scope, account: AccountId): boolean {
  if (scope === 'server') return true
  return typeof scope === 'number' ? scope === account : scope.includes(account)
}

/** The accounts that a scope locks, ascending, each once. */
export function accountsOf(scope: Scope): readonly AccountId[] {
  if (scope === 'server') return []
  if (typeof scope === 'number') return [scope]
  return [...new Set(scope)].sort((a, b) => a - b)
}
