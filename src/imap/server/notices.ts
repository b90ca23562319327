// What a session is told without asking: of the mailbox that is open, and through the notifier of others (RFC 5465).

import type { SelectedContext } from './command.ts'
import { fetchMessages } from './commands/fetch/index.ts'
import { type Interest, silence, usualInterest } from './interest.ts'
import type { Notifier } from './notifier.ts'
import type { Output } from './output.ts'
import type { SelectedMailbox } from './selected.ts'

/** What it needs of its session. */
interface Listening {
  out(): Output
  selected(): SelectedMailbox | undefined
  context(): unknown
  /** Looks at the rights on another's mailbox again: they may have gone since the last command. */
  recheck(): Promise<void>
  /** Runs the work when no command is in progress. */
  between(work: () => Promise<void>): void
  stop(reason: string): void
}

export class Notices {
  readonly #session: Listening
  #notifier: Notifier | undefined
  #interest: Interest = usualInterest

  constructor(session: Listening) {
    this.#session = session
  }

  set(notifier: Notifier | undefined, interest: Interest): void {
    this.#notifier?.stop()
    this.#notifier = notifier
    if (notifier) notifier.onNews = this.#noticed
    this.#interest = interest
    const selected = this.#session.selected()
    if (selected) this.attach(selected)
  }

  /** The mailbox is open now. */
  attach(selected: SelectedMailbox): void {
    selected.interest = this.#interest
    if (this.#interest.at === 'never') this.detach(selected)
    else selected.view.watchers.add(this.#noticed)
  }

  detach({ view }: SelectedMailbox): void {
    view.watchers.delete(this.#noticed)
  }

  /** With the reply to a command: something of each new message, and what happened in other mailboxes. */
  async tell(): Promise<void> {
    const selected = this.#session.selected()
    const fresh = selected?.takeFresh()
    const items = selected?.interest.fetch
    if (fresh && items) await fetchMessages(this.#session.context() as SelectedContext, fresh, items)
    if (this.#notifier?.hasNews && !(await this.#notifier.tell(this.#session.out()))) this.set(undefined, silence)
  }

  readonly #noticed = () => this.#session.between(() => this.#tellBetween())

  async #tellBetween(): Promise<void> {
    await this.#session.recheck()
    const selected = this.#session.selected()
    if (selected?.gone) return this.#session.stop(selected.gone)
    if (selected && selected.interest.at !== 'never')
      selected.tell(this.#session.out(), selected.interest.at === 'once', true)
    await this.tell()
    this.#session.out().flush()
  }
}
