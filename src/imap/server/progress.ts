// INPROGRESS: a client that waits long is told how far its command is (RFC 9585). Says nothing about commands that are quick.

import type { GreetedContext } from './command.ts'

type Context = Pick<GreetedContext, 'out' | 'clock' | 'limits' | 'connection'>

/** How often a wait without steps may speak, whatever the limits say. */
const MIN_MS = 1000

export class Progress {
  readonly #context: Context
  readonly #goal: number
  #said: number

  /** `goal`: messages that the command is about. */
  constructor(context: Context, goal: number) {
    this.#context = context
    this.#goal = goal
    this.#said = context.clock.monotonic()
  }

  /** To be awaited between whole responses, in place of `out.pace`: gives way to others, and speaks when it is time. */
  async step(done: number): Promise<void> {
    const { out, clock, limits } = this.#context
    await out.pace()
    // Never that everything is done: the reply says so (RFC 9585 §4).
    if (done >= this.#goal || clock.monotonic() - this.#said < limits.progressMs) return
    this.#said = clock.monotonic()
    say(this.#context, `${done} ${this.#goal}`)
  }
}

/** Waits for work that tells nothing of its steps. Nothing else may write to the client meanwhile. */
export async function whileWaiting<T>(context: Context, work: Promise<T>): Promise<T> {
  const { clock, limits } = context
  let cancel = () => {}
  const remind = () => {
    cancel = clock.after(Math.max(MIN_MS, limits.progressMs), () => {
      // A client that went away is noticed by whoever writes next.
      try {
        say(context, 'NIL NIL')
        remind()
      } catch {}
    })
  }
  remind()
  try {
    return await work
  } finally {
    cancel()
  }
}

function say({ out, connection }: Context, state: string): void {
  const tag = connection.currentTag()
  out.line(`* OK [INPROGRESS (${tag.includes(']') ? 'NIL' : `"${tag}"`} ${state})] Still at it`)
  out.flush()
}
