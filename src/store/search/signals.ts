// What the threads that use search.db tell each other: that it was begun anew, or that it is damaged. A lost word costs time only.

import { BroadcastChannel } from 'node:worker_threads'

export type Word = 'begun' | 'damaged'

export interface Signals {
  say(word: Word): void
  close(): void
}

/** Hears the words of all others in this process that use the same file. */
export function joinSignals(path: string, hear: (word: Word) => void): Signals {
  const channel = new BroadcastChannel(`posthorn:${path}`)
  channel.unref()
  channel.onmessage = (event) => hear((event as { data: Word }).data)
  return { say: (word) => channel.postMessage(word), close: () => channel.close() }
}
