// Learns the base of generated mail: logistic regression on tokens that stand in several families, so that what it knows is not one
// template by heart. The same families give the same bytes.

import { type BaseData, packRate, share } from '../base-model.ts'
import { tokenize } from '../tokenize.ts'
import { compose } from './compose.ts'
import type { Family, Language } from './families.ts'
import { createRandom } from './random.ts'

/** Messages made of each family of the training set. */
export const perFamily = 40
/** A token that stands in fewer families says something of those alone. */
const leastFamilies = 3
const epochs = 12
const rate = 0.1
const decay = 1e-4
const folds = 6
/** Share of good mail, of families that a part of the model has not seen, that may stand above the threshold. */
const mistakes = 0.001

/** A message of the training set. */
export interface Example {
  readonly family: string
  readonly language: Language
  readonly spam: boolean
  readonly tokens: readonly number[]
}

export function makeExamples(families: readonly Family[], count: number): Example[] {
  return families.flatMap((family) =>
    Array.from({ length: count }, (_, i): Example => {
      const { singles, pairs } = tokenize(compose(family, i).sample)
      return {
        family: family.name,
        language: family.language,
        spam: family.kind === 'spam',
        tokens: [...singles, ...pairs],
      }
    }),
  )
}

interface Trained {
  readonly places: ReadonlyMap<number, number>
  readonly weights: Float64Array
  readonly bias: number
}

export function learnBase(examples: readonly Example[]): BaseData {
  const threshold = findThreshold(examples)
  const { places, weights, bias } = train(examples)
  const step = Math.fround(weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 127)
  const tokens = Int32Array.from(places.keys()).sort()
  const [spam, ham] = [ratesOf(examples, true), ratesOf(examples, false)]
  return {
    step,
    bias,
    threshold,
    tokens,
    weights: Int8Array.from(tokens, (token) => Math.round(weights[places.get(token)!]! / step)),
    spam: Uint8Array.from(tokens, (token) => packRate(spam.get(token) ?? 0)),
    ham: Uint8Array.from(tokens, (token) => packRate(ham.get(token) ?? 0)),
  }
}

/** Each part of the families is judged by a model that was trained on the others. */
function findThreshold(examples: readonly Example[]): number {
  const names = [...new Set(examples.map(({ family }) => family))]
  const foldOf = new Map(names.map((name, i) => [name, i % folds]))
  const scores: number[] = []
  for (let fold = 0; fold < folds; fold++) {
    const model = train(examples.filter(({ family }) => foldOf.get(family) !== fold))
    for (const { family, spam, tokens } of examples)
      if (!spam && foldOf.get(family) === fold) scores.push(scoreOf(model, tokens))
  }
  scores.sort((a, b) => b - a)
  return scores[Math.floor(scores.length * mistakes)]!
}

function scoreOf({ places, weights, bias }: Trained, tokens: readonly number[]): number {
  let [sum, known] = [0, 0]
  for (const token of tokens) {
    const at = places.get(token)
    if (at === undefined) continue
    sum += weights[at]!
    known++
  }
  return bias + sum * share(known)
}

/** Tokens that stand in enough families, in the order in which they were met. */
function choose(examples: readonly Example[]): Map<number, number> {
  const found = new Map<number, Set<string>>()
  for (const { family, tokens } of examples)
    for (const token of tokens) {
      let families = found.get(token)
      if (!families) found.set(token, (families = new Set()))
      families.add(family)
    }
  const places = new Map<number, number>()
  for (const [token, families] of found) if (families.size >= leastFamilies) places.set(token, places.size)
  return places
}

/** How much an example counts: in each language both kinds as much, so that its little words say nothing. */
function worthOf(examples: readonly Example[]): (example: Example) => number {
  const counts = new Map<string, number>()
  const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const { language, spam } of examples) {
    count(language)
    count(`${language} ${spam}`)
  }
  return ({ language, spam }) => counts.get(language)! / 2 / counts.get(`${language} ${spam}`)!
}

/** Steps of each weight shrink with what it was moved already (AdaGrad). */
function train(examples: readonly Example[]): Trained {
  const places = choose(examples)
  const known = examples.map(({ tokens }) => Int32Array.from(tokens.flatMap((token) => places.get(token) ?? [])))
  const weights = new Float64Array(places.size)
  const moved = new Float64Array(places.size).fill(0.01)
  let [bias, biasMoved] = [0, 0.01]
  const worthFor = worthOf(examples)
  const worth = examples.map(worthFor)
  const random = createRandom(7)
  const order = examples.map((_, i) => i)
  for (let epoch = 0; epoch < epochs; epoch++) {
    shuffle(order, random.below)
    for (const i of order) {
      const [list, spam] = [known[i]!, examples[i]!.spam]
      const scale = share(list.length)
      let sum = 0
      for (const at of list) sum += weights[at]!
      const wrong = (1 / (1 + Math.exp(-(bias + sum * scale))) - (spam ? 1 : 0)) * worth[i]!
      biasMoved += wrong * wrong
      bias -= (rate * wrong) / Math.sqrt(biasMoved)
      for (const at of list) {
        const slope = wrong * scale + decay * weights[at]!
        moved[at]! += slope * slope
        weights[at]! -= (rate * slope) / Math.sqrt(moved[at]!)
      }
    }
  }
  return { places, weights, bias }
}

function shuffle(order: number[], below: (limit: number) => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
}

/** In which share of a kind's mail each token stands; every family counts the same. */
function ratesOf(examples: readonly Example[], spam: boolean): Map<number, number> {
  const chosen = examples.filter((example) => example.spam === spam)
  const counts = new Map<number, number>()
  for (const { tokens } of chosen) for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
  for (const [token, count] of counts) counts.set(token, count / chosen.length)
  return counts
}
