import type { ReadStore } from '../store/index.ts'
import type { Classifier } from './classifier/classifier.ts'
import type { FilterParts, FilterSettings, Filters } from './set.ts'

export { type AskOptions, deadlineMs } from './ask.ts'
export type { Classifier, ReadMessage } from './classifier/classifier.ts'
export type { AnswerMask, DnsList } from './dnsbl.ts'
export { createGreylist, type Greylist, type GreylistParts } from './greylist.ts'
export { formatHeaders, toHeader } from './headers.ts'
export { learningHooks } from './hooks.ts'
export { createSpamAdmin, forgetLearnt, learnHandlers, type SpamAdmin, type SpamStats, type SpamTest } from './learn.ts'
export { describeModification } from './milter-said.ts'
export { formatPlace, type Place } from './place.ts'
export type * from './set.ts'
export * from './types.ts'

/** Those that the settings name; they are loaded for it. Fault `invalid` names what in the settings means nothing. */
export async function createFilters(settings: FilterSettings, parts: FilterParts): Promise<Filters> {
  const set = await import('./set.ts')
  return set.createFilters(settings, parts)
}

/** The built-in filter; it and its base are loaded with the first message that it is asked about. */
export function createLazyClassifier(options: { readonly store: ReadStore }): Classifier {
  let made: Promise<Classifier> | undefined
  const make = async () => (await import('./classifier/classifier.ts')).createClassifier(options)
  const opened = () => (made ??= make())
  return {
    name: 'classifier',
    check: async (...args) => (await opened()).check(...args),
    checkFor: async (...args) => (await opened()).checkFor(...args),
    read: async (...args) => (await opened()).read(...args),
    test: async (...args) => (await opened()).test(...args),
  }
}
