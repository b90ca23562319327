// What a timeline comes to: of each recipient the last that happened to him.

import type { States, TraceEvent, TraceState } from './types.ts'

/** How many recipients are in each state, as far as the events name them. */
export function count(to: readonly string[], events: readonly TraceEvent[]): States {
  const states = new Map<string, TraceState>()
  for (const event of events) apply(states, to, event)
  const counts: { [state in TraceState]?: number } = {}
  for (const state of states.values()) counts[state] = (counts[state] ?? 0) + 1
  return counts
}

const resultStates = { delivered: 'delivered', retry: 'waiting', fail: 'failed' } as const

/** What is let go to others is queued. */
const leftStates = { released: 'waiting', deleted: 'removed', expired: 'removed' } as const

function apply(states: Map<string, TraceState>, to: readonly string[], event: TraceEvent): void {
  const set = (names: readonly string[], state: TraceState) => {
    for (const name of names) states.set(name, state)
  }
  if (event.kind === 'refused') set(event.to === undefined ? allOf(to) : [event.to], 'refused')
  else if (event.kind === 'withdrawn')
    set(
      allOf(to).filter((name) => !states.has(name)),
      'withdrawn',
    )
  else if (event.kind === 'stored')
    set(
      event.copies.map(({ to: name }) => name),
      'delivered',
    )
  else if (event.kind === 'quarantined') set(event.to, 'quarantined')
  else if (event.kind === 'let out') set([event.to], event.mailbox !== undefined ? 'delivered' : leftStates[event.how])
  else if (event.kind === 'queued') set(event.to, 'waiting')
  else if (event.kind === 'returned') {
    if (event.action === 'failed') set([event.to], 'failed')
  } else if (event.kind === 'removed') set(event.to, event.reported ? 'failed' : 'removed')
  else if (event.kind === 'attempt') for (const { to: name, result } of event.results) set([name], resultStates[result])
}

/** A refusal before the first recipient is one all the same. */
const allOf = (to: readonly string[]): readonly string[] => (to.length > 0 ? to : [''])
