// How sure it is that a message is spam, for one user: the base's opinion, moved by what the user has taught. Knows no store.

import { type BaseModel, share, unknownRate } from './base-model.ts'
import type { TokenSet } from './token-set.ts'
import { type UserModel, unit } from './user-model.ts'

/** From so many messages on (a mistake of ours counts twice) what a user has taught is heard at all. */
const heardFrom = 2
/** From so many on, with so much good mail among them, the filter knows its user and may be sure. */
const knownFrom = { messages: 50, ham: 10 }
/** Messages for which the base stands in a user's counts. */
const prior = 4
/** Of one token, and how much of the strongest is heard. */
const mostOfOne = 2.5
const strongest = 16
const leastOfOne = 0.8
const loudness = 0.35
/** The score at which mail is spam, unless somebody wants it otherwise. */
export const standardThreshold = 0.9
const oddsOfStandard = Math.log(standardThreshold / (1 - standardThreshold))

export interface Judgement {
  /** 0 … 1. */
  readonly score: number
  /** Enough is known of the user. */
  readonly sure: boolean
}

export function judge(tokens: TokenSet, base: BaseModel, user: UserModel | undefined): Judgement {
  const odds = base.score([tokens.singles, tokens.pairs]) - base.threshold + oddsOfStandard
  const taught = user && isHeard(user) ? sumUp(tokens, base, user) : 0
  return { score: 1 / (1 + Math.exp(-(odds + taught))), sure: user !== undefined && isKnown(user) }
}

const isHeard = ({ spam, ham }: UserModel): boolean => spam + ham >= heardFrom * unit

export const isKnown = ({ spam, ham }: UserModel): boolean =>
  spam + ham >= knownFrom.messages * unit && ham >= knownFrom.ham * unit

/** What the user's own mail adds: of the tokens that say most. */
function sumUp(tokens: TokenSet, base: BaseModel, user: UserModel): number {
  const said: number[] = []
  for (const token of tokens.singles) {
    const value = ofUser(token, base, user)
    if (Math.abs(value) >= leastOfOne) said.push(value)
  }
  said.sort((a, b) => Math.abs(b) - Math.abs(a))
  let sum = 0
  for (const value of said.slice(0, strongest)) sum += value
  const messages = (user.spam + user.ham) / unit
  return sum * loudness * (messages / (messages + 1))
}

/** How much more a token speaks for spam in this user's mail than in everybody's. What is common everywhere says little in one box. */
function ofUser(token: number, base: BaseModel, user: UserModel): number {
  const packed = user.counts.get(token)
  if (packed === undefined) return 0
  const at = base.find(token)
  const spam = at < 0 ? unknownRate : Math.max(unknownRate, base.spam(at))
  const ham = at < 0 ? unknownRate : Math.max(unknownRate, base.ham(at))
  const inSpam = ((packed & 0xffff) / unit + prior * spam) / (user.spam / unit + prior)
  const inHam = ((packed >>> 16) / unit + prior * ham) / (user.ham / unit + prior)
  const value = Math.log(inSpam / inHam) - Math.log(spam / ham)
  const rarity = Math.log(Math.max(spam, ham)) / Math.log(unknownRate)
  return Math.min(mostOfOne, Math.max(-mostOfOne, value)) * rarity
}

export interface Weighed {
  readonly token: string
  /** Above zero: for spam. */
  readonly weight: number
  /** Two words. */
  readonly pair: boolean
}

/** The tokens that count most, with what each adds to the odds. `tokens` have their names. */
export function explain(tokens: TokenSet, base: BaseModel, user: UserModel | undefined, count: number): Weighed[] {
  const all = [...tokens.singles, ...tokens.pairs]
  const known = share(all.filter((token) => base.find(token) >= 0).length)
  return all
    .map((token, i): Weighed => {
      const at = base.find(token)
      const taught = user && isHeard(user) ? ofUser(token, base, user) * loudness : 0
      const weight = (at < 0 ? 0 : base.weight(at) * known) + taught
      return { token: tokens.names?.get(token) ?? '', weight, pair: i >= tokens.singles.length }
    })
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
    .slice(0, count)
}
