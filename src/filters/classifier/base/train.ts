// npm run classifier:train: makes base-data.ts anew of the families in train/, and says how well it does on those in heldout/.
// The same sources give the same file, bit for bit.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeBase, encodeBase, openBase } from '../base-model.ts'
import { readFamilies } from './families.ts'
import { learnBase, makeExamples, perFamily } from './learn-base.ts'
import { measure } from './measure.ts'

/** The bytes that are shipped. */
export function buildBase(): Buffer {
  return encodeBase(learnBase(makeExamples(readFamilies(join(import.meta.dirname, 'train')), perFamily)))
}

/** Messages made of each held-out family. */
export const heldOut = { ham: 100, spam: 60 } as const

if (import.meta.main) {
  const bytes = buildBase()
  const lines = [
    '// The base of the spam filter, made by `npm run classifier:train` of the texts in base/train (docs/classifier.md). Not written by hand.',
    '',
    '// biome-ignore format: one value',
    `export const data = '${bytes.toString('base64')}'`,
    '',
  ]
  writeFileSync(join(import.meta.dirname, '..', 'base-data.ts'), lines.join('\n'))
  const base = openBase(decodeBase(bytes))
  const found = measure(base, readFamilies(join(import.meta.dirname, 'heldout')), ({ kind }) => heldOut[kind])
  const { ham, spam, mistaken, caught, wrong } = found
  const share = (part: number, all: number) => `${((part / all) * 100).toFixed(2)} %`
  process.stdout.write(
    `${base.size} tokens, ${bytes.length} bytes, threshold ${base.threshold.toFixed(2)}\n` +
      `held out: ${caught} of ${spam} spam caught (${share(caught, spam)}), ${mistaken} of ${ham} good taken for spam (${share(mistaken, ham)})\n` +
      `${[...wrong]
        .sort((a, b) => b[1] - a[1])
        .map(([name, count]) => `  ${name}: ${count}`)
        .join('\n')}\n`,
  )
}
