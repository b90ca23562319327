// What a client wants to hear of the mailbox that it has open (RFC 5465 §6.1).

import type { FetchItem } from '../wire/index.ts'

export interface Interest {
  /** New and expunged messages. */
  readonly messages: boolean
  readonly flags: boolean
  /** Between commands too: at once, or all but what changes numbers. */
  readonly at: 'once' | 'delayed' | 'never'
  /** Told of each new message. */
  readonly fetch?: readonly FetchItem[]
}

/** Without NOTIFY everything is told, with the reply to a command. */
export const usualInterest: Interest = { messages: true, flags: true, at: 'never' }

/** After NOTIFY NONE. */
export const silence: Interest = { messages: false, flags: false, at: 'never' }
