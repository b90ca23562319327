// One (next hop, source address): how many transactions it bears at once, learned from what became of the last ones, and for how
// long it is left alone when it bears none. Only arithmetic and a clock.

import type { Clock } from '../base/index.ts'

/** What the end of a transaction says of the site, whatever it says of the recipients. */
export type Feedback =
  /** The server answered as servers do. */
  | 'fine'
  /** No connection, or it broke off. */
  | 'failed'
  /** The server wants less of us. */
  | 'slower'
  /** The server takes nothing from this address of ours, or it is none of this machine. */
  | 'blocked'
  /** Nothing: nobody was asked. */
  | 'none'

const firstWindow = 5
const minute = 60_000
/** Left alone for 1, 2, 4 … 60 minutes. */
const maxBackoff = 60 * minute
/** Who worked so lately and failed so seldom since is only busy. */
const trustMs = 10 * minute
const trustFailures = 5

export interface SiteState {
  readonly next: string
  readonly source: string
  readonly window: number
  readonly active: number
  /** Milliseconds until it is tried again; 0: it is alive. */
  readonly deadForMs: number
  /** What failed last; empty: nothing since it worked. */
  readonly failure: string
}

export class Site {
  readonly next: string
  readonly source: string
  active = 0
  /** When one ended or began last, monotonic. */
  moved: number
  #window = firstWindow
  #successes = 0
  #deadUntil: number | undefined
  #backoff = 0
  #failure = ''
  #worked: number | undefined
  #failures = 0
  readonly #clock: Clock
  readonly #most: () => number

  /** `most`: the largest window allowed. */
  constructor(next: string, source: string, clock: Clock, most: () => number) {
    this.next = next
    this.source = source
    this.#clock = clock
    this.#most = most
    this.moved = clock.monotonic()
  }

  get window(): number {
    return Math.min(this.#window, this.#most())
  }

  /** Transactions that may begin now. */
  get free(): number {
    if (this.deadForMs > 0) return 0
    // After its time a dead site gets one probe.
    const window = this.#deadUntil === undefined ? this.window : 1
    return Math.max(0, window - this.active)
  }

  get deadForMs(): number {
    return this.#deadUntil === undefined ? 0 : Math.max(0, this.#deadUntil - this.#clock.monotonic())
  }

  /** Dead, or not yet proved to be alive again. */
  get suspect(): boolean {
    return this.#deadUntil !== undefined
  }

  /** It worked lately: a connection that it turned away may come again at once. */
  get trusted(): boolean {
    if (this.suspect || this.#worked === undefined) return false
    return this.#failures < trustFailures && this.#clock.monotonic() - this.#worked < trustMs
  }

  get failure(): string {
    return this.#failure
  }

  begin(): void {
    this.active++
    this.moved = this.#clock.monotonic()
  }

  /** One has ended. `reason` says what failed. */
  end(feedback: Feedback, reason: string): void {
    this.active--
    this.moved = this.#clock.monotonic()
    if (feedback === 'fine') this.#grow()
    else if (feedback === 'blocked') this.#die(reason)
    else if (feedback !== 'none') this.#shrink(feedback, reason)
  }

  /** As if nothing had failed. */
  forgive(): void {
    this.#deadUntil = undefined
    this.#backoff = 0
    this.#failure = ''
    this.#window = Math.max(this.#window, firstWindow)
  }

  get state(): SiteState {
    const { next, source, window, active, deadForMs, failure } = this
    return { next, source, window: deadForMs > 0 ? 0 : window, active, deadForMs: Math.round(deadForMs), failure }
  }

  #grow(): void {
    this.#worked = this.moved
    this.#failures = 0
    if (this.#deadUntil !== undefined) {
      this.#window = firstWindow
      this.#successes = 0
      this.forgive()
      return
    }
    this.#failure = ''
    if (++this.#successes < this.window) return
    this.#successes = 0
    if (this.#window < this.#most()) this.#window++
  }

  #shrink(feedback: Feedback, reason: string): void {
    this.#failures++
    this.#successes = 0
    this.#failure = reason
    if (this.#deadUntil !== undefined) {
      // What began before it died says nothing new; the probe does.
      if (this.deadForMs === 0) this.#die(reason)
      return
    }
    this.#window = Math.floor(this.window / 2)
    if (this.#window > 0) return
    // While another transaction is under way somebody is there; and who asks for less is not dead.
    if (this.active > 0 || feedback === 'slower') this.#window = 1
    else this.#die(reason)
  }

  #die(reason: string): void {
    this.#failure = reason
    if (this.deadForMs > 0) return
    this.#backoff = this.#backoff === 0 ? minute : Math.min(this.#backoff * 2, maxBackoff)
    this.#deadUntil = this.#clock.monotonic() + this.#backoff
    this.#window = firstWindow
    this.#successes = 0
  }
}
