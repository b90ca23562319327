// The built-in spam filter: reads a message once and says for each recipient what it is. Its worst word is `junk`, and it is not sure
// before it knows the user. Knows no settings but the threshold that it is given.

import type { AccountId } from '../../base/index.ts'
import { classifierRows, type ReadStore } from '../../store/index.ts'
import type { Filter, FilterAnswer, FilterRequest } from '../types.ts'
import { loadBase } from './base-model.ts'
import { explain, judge, standardThreshold, type Weighed } from './score.ts'
import { type Sample, sampleBytes, tokenize } from './tokenize.ts'
import { decodeCounts, type UserModel } from './user-model.ts'

/** Models of users that are kept in memory: at most 1.5 MB each as a map. */
const mostModels = 16
/** Tokens that a reason names. */
const shownTokens = 6

/** A message that was read. */
export interface ReadMessage {
  /** `threshold`: 0 … 1. */
  answerFor(account: AccountId | undefined, threshold?: number): Promise<FilterAnswer>
}

export interface Classifier extends Filter {
  readonly name: 'classifier'
  checkFor(account: AccountId | undefined, request: FilterRequest, threshold?: number): Promise<FilterAnswer>
  /** For several recipients: the message is read once. */
  read(request: FilterRequest): Promise<ReadMessage>
  /** The same of bytes, with the tokens that counted. */
  test(sample: Sample, account: AccountId | undefined): Promise<FilterAnswer & { readonly tokens: readonly Weighed[] }>
}

export function createClassifier({ store }: { readonly store: ReadStore }): Classifier {
  const known = new Map<AccountId, { readonly version: number; readonly model: UserModel }>()
  const modelOf = async (account: AccountId | undefined): Promise<UserModel | undefined> => {
    if (account === undefined) return undefined
    const kept = known.get(account)
    const row = await store.read((tx) => classifierRows.find(tx, account, kept?.version))
    known.delete(account)
    if (!row) return undefined
    const { version, spam, ham, generation, data } = row
    const model = data ? { spam, ham, generation, counts: decodeCounts(data) } : kept!.model
    known.set(account, { version, model })
    if (known.size > mostModels) known.delete(known.keys().next().value!)
    return model
  }
  const readSample = (sample: Sample): ReadMessage => {
    const tokens = tokenize(sample)
    return {
      async answerFor(account, threshold = standardThreshold) {
        const [base, user] = [await loadBase(), await modelOf(account)]
        const { score, sure } = judge(tokens, base, user)
        if (score < threshold) return { action: 'accept', score, threshold, sure, reasons: [] }
        // Read again with words: of few messages somebody asks which.
        const words = explain(tokenize(sample, true), base, user, shownTokens * 3)
        return { action: 'junk', score, threshold, sure, reasons: [describe(score, words)] }
      },
    }
  }
  const read = async (request: FilterRequest) => readSample(await toSample(request))
  return {
    name: 'classifier',
    read,
    check: async (request) => (await read(request)).answerFor(undefined),
    checkFor: async (account, request, threshold) => (await read(request)).answerFor(account, threshold),
    async test(sample, account) {
      const tokens = explain(tokenize(sample, true), await loadBase(), await modelOf(account), 40)
      return { ...(await readSample(sample).answerFor(account)), tokens }
    },
  }
}

/** The beginning of the message that a filter is asked about. */
async function toSample({ bytes, size, from, verification }: FilterRequest): Promise<Sample> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of bytes()) {
    pieces.push(piece)
    length += piece.length
    if (length >= sampleBytes) break
  }
  const start = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  return { bytes: start, size, sender: from, ...(verification && { results: verification.header }) }
}

/** Single words only: what somebody was written stays his. */
function describe(score: number, words: readonly Weighed[]): string {
  const shown = words
    .filter(({ weight, pair }) => weight > 0 && !pair)
    .slice(0, shownTokens)
    .map(({ token }) => token)
  return `looks like spam: ${formatScore(score)}${shown.length > 0 ? ` · ${shown.join(', ')}` : ''}`
}

export const formatScore = (score: number): string =>
  `${(Math.floor(score * 1_000) / 10).toFixed(score > 0.99 ? 1 : 0)} %`
