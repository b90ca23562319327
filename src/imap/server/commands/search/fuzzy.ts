// FUZZY and RELEVANCY (RFC 6203): which messages have the wanted words, in any order, form of letters and with other endings, and how
// well each fits among those found.

import { WordCount, wordScore } from '../../../../mail/index.ts'

/** What a word in this place says about a message, against one in its subject. */
export const weights = { subject: 1, people: 0.9, header: 0.8, text: 0.7, body: 0.6 } as const

/** Each is counted in every text that is read. */
export const MAX_WORDS = 32
/** Of a longer field only the beginning counts: every key that names it looks through it. */
const FIELD_LENGTH = 65_536

/** Words that are counted in a text. */
export interface CountedWords {
  readonly words: readonly string[]
  readonly where: 'body' | 'text'
}

/** How well the words fit a field; 0 when one is missing. */
export const scoreOf = (words: readonly string[], field: string): number =>
  wordScore(words, new WordCount(words).add(field.slice(0, FIELD_LENGTH)))

/** What each fuzzy key of a program said of each message. */
export class Relevancy {
  readonly #keys: Map<number, number>[] = []

  /** A fuzzy key more: the result notes what it says. */
  key(weight: number): (uid: number, score: number) => boolean {
    const scores = new Map<number, number>()
    this.#keys.push(scores)
    return (uid, score) => {
      if (score > 0) scores.set(uid, score * weight)
      return score > 0
    }
  }

  /** Scores from 1 to 100 of the messages found, the whole range in use (RFC 6203 §4); all 100 when they fit alike. */
  scores(uids: readonly number[]): readonly number[] {
    const sums = uids.map((uid) => this.#keys.reduce((sum, scores) => sum + (scores.get(uid) ?? 0), 0))
    let [low = 0, high = 0] = [sums[0], sums[0]]
    for (const sum of sums) {
      if (sum < low) low = sum
      if (sum > high) high = sum
    }
    return sums.map((sum) => (high === low ? 100 : 1 + Math.round((99 * (sum - low)) / (high - low))))
  }
}
