// How well a base does on mail that it was not trained on.

import type { BaseModel } from '../base-model.ts'
import { tokenize } from '../tokenize.ts'
import { compose } from './compose.ts'
import type { Family } from './families.ts'

export interface Measured {
  readonly ham: number
  readonly spam: number
  /** Good mail that was taken for spam, and spam that was found. */
  readonly mistaken: number
  readonly caught: number
  /** By family: of how many messages one was judged wrongly. */
  readonly wrong: ReadonlyMap<string, number>
}

export function measure(base: BaseModel, families: readonly Family[], count: (family: Family) => number): Measured {
  const totals = { ham: 0, spam: 0, mistaken: 0, caught: 0 }
  const wrong = new Map<string, number>()
  for (const family of families)
    for (let i = 0; i < count(family); i++) {
      const { singles, pairs } = tokenize(compose(family, i).sample)
      const isSpam = base.score([singles, pairs]) >= base.threshold
      totals[family.kind]++
      if (isSpam && family.kind === 'spam') totals.caught++
      if (isSpam && family.kind === 'ham') totals.mistaken++
      if (isSpam !== (family.kind === 'spam')) wrong.set(family.name, (wrong.get(family.name) ?? 0) + 1)
    }
  return { ...totals, wrong }
}
