// What the gate counts of a session: the visit of its client, that of whom a proxy is about to name, and the pauses after errors.
// Clients of this machine and of trusted networks have none.

import type { Gate, Visit } from '../../abuse/index.ts'
import type { Client, Log } from '../../base/index.ts'
import type { Reply } from '../wire/index.ts'
import { replies } from './replies.ts'

export interface AttendanceParts {
  /** Absent: nobody is counted. */
  readonly gate: Gate | undefined
  readonly isTrusted: (client: Client) => boolean
  readonly log: Log
}

export class Attendance {
  readonly #parts: AttendanceParts
  #visit: Visit | undefined
  #next: { readonly address: string; readonly visit: Visit | undefined } | undefined
  #blamed = false
  #gone = false
  #endPause = () => {}

  constructor(parts: AttendanceParts) {
    this.#parts = parts
  }

  get visit(): Visit | undefined {
    return this.#visit
  }

  /** Whether there is a visit, and something wrong was done since the last pause. */
  get isBlamed(): boolean {
    return this.#blamed && this.#visit !== undefined
  }

  counts(client: Client): boolean {
    return this.#parts.gate !== undefined && !client.near && !this.#parts.isTrusted(client)
  }

  /** The client is here. The reply to whom there is no place for. */
  async arrive(client: Client): Promise<Reply | undefined> {
    const { refusal, visit } = await this.#enter(client)
    this.#visit = visit
    return refusal
  }

  /** As `arrive`, for whom `become` will name. */
  async prepare(client: Client): Promise<Reply | undefined> {
    const { refusal, visit } = await this.#enter(client)
    this.#next?.visit?.leave()
    this.#next = { address: client.address, visit }
    return refusal
  }

  /** The session goes on as another client's. */
  become({ address }: Client): void {
    this.#visit?.leave()
    this.#visit = this.#next?.address === address ? this.#next.visit : undefined
    this.#next = undefined
  }

  async #enter(client: Client): Promise<{ refusal?: Reply; visit?: Visit }> {
    if (!this.counts(client)) return {}
    const entered = await this.#parts.gate!.enter(client.address)
    if (!entered.ok) {
      this.#parts.log.info({ ip: client.address, why: entered.why }, 'turned away')
      return { refusal: entered.why === 'banned' ? replies.banned : replies.tooManyFromYou }
    }
    // It went while we asked.
    if (this.#gone) entered.leave()
    return this.#gone ? {} : { visit: entered }
  }

  blame(): void {
    this.#visit?.bad()
    this.#blamed = true
  }

  /** The next answer waits, longer each time. */
  async pause(): Promise<void> {
    this.#blamed = false
    await this.#visit?.pause((end) => {
      this.#endPause = end
    })
  }

  endPause(): void {
    this.#endPause()
  }

  /** The connection is gone. */
  leave(): void {
    this.#gone = true
    this.#endPause()
    this.#visit?.leave()
    this.#next?.visit?.leave()
    this.#visit = undefined
    this.#next = undefined
  }
}
