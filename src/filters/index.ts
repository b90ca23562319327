import type { ReadStore } from '../store/index.ts'
import type { Classifier } from './classifier/classifier.ts'

export type { Classifier, ReadMessage } from './classifier/classifier.ts'
export { learningHooks } from './hooks.ts'
export { createSpamAdmin, forgetLearnt, learnHandlers, type SpamAdmin, type SpamStats, type SpamTest } from './learn.ts'
export * from './types.ts'

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
