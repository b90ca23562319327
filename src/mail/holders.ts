// Which messages of a mailbox may hold a text, by the search index: all that do and some that do not. Never decides; says nothing of
// other mailboxes.

import type { MailboxId } from '../base/index.ts'
import {
  type Candidates,
  indexingRows,
  mailboxRows,
  type Reader,
  type ReadStore,
  type SearchReader,
  type Wanted,
} from '../store/index.ts'
import { isPair } from './words.ts'

/** Trigrams that are looked up of one needle: each costs as much as many texts hold it, and more of them rule out little more. */
const maxGrams = 8
/** What most texts of most languages are full of; anything else is rarer. */
const commonest = new Set(' etaoinsrhldcumpg.')
/** Of these the first so many code points count. */
const maxPoints = 1_000
/** A message found through the index costs as much as so many that are passed by on a walk through the mailbox. */
const walkFactor = 3
const idsPerStatement = 500
const shortestBeginning = 3

/** UIDs of messages that may hold the folded needle anywhere in their text; undefined: any may. */
export function findHolders(store: ReadStore, index: SearchReader, mailbox: MailboxId, needle: string) {
  if (isPair(needle)) return find(store, index, mailbox, { word: needle })
  const grams = gramsOf(needle)
  return grams ? find(store, index, mailbox, { grams }) : undefined
}

/** UIDs of messages that may have a word that begins like this; undefined: any may. */
export function findWordHolders(store: ReadStore, index: SearchReader, mailbox: MailboxId, word: string) {
  // A beginning that short is that of a large part of all words.
  return word.length < shortestBeginning && !isPair(word) ? undefined : find(store, index, mailbox, { word })
}

async function find(
  store: ReadStore,
  index: SearchReader,
  mailbox: MailboxId,
  wanted: Wanted,
): Promise<ReadonlySet<number> | undefined> {
  const box = await store.read((tx) => mailboxRows.find(tx, mailbox))
  if (!box) return undefined
  const found = await index.candidates(wanted, box.messages * 4 + 10_000)
  if (!found) return undefined
  const heights = await store.read((tx) => indexingRows.heights(tx))
  const behind = heights.contents - found.cursors.contents + heights.messages - found.cursors.messages
  const looked = found.contents.length + found.messages.length + behind
  return looked * walkFactor > box.messages ? walk(store, mailbox, found) : join(store, mailbox, found)
}

/** The trigrams that are likely the rarest of the needle's longest line (a text is indexed line by line as far as headers go). */
export function gramsOf(needle: string): string[] | undefined {
  if (needle.includes('\0') || !needle.isWellFormed()) return undefined
  const line = needle.split('\n').reduce((longest, next) => (next.length > longest.length ? next : longest))
  const points = [...line.slice(0, 2 * maxPoints)].slice(0, maxPoints)
  const grams = new Set<string>()
  for (let at = 0; at + 3 <= points.length; at++) grams.add(points.slice(at, at + 3).join(''))
  if (grams.size === 0) return undefined
  return [...grams].sort((a, b) => commonness(a) - commonness(b)).slice(0, maxGrams)
}

/** How many of its characters are common. */
const commonness = (gram: string) => [...gram].filter((point) => commonest.has(point)).length

/** Other connections of this thread have their turn. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** From what was found to where it stands. */
async function join(store: ReadStore, mailbox: MailboxId, { contents, messages, cursors }: Candidates) {
  const uids = new Set<number>()
  type Page = (tx: Reader, after: { message: number; uid: number }) => Promise<{ message: number; uid: number }[]>
  const collect = async (page: Page) => {
    for (let after = { message: 0, uid: 0 }; ; ) {
      const found = await store.read((tx) => page(tx, after))
      for (const { uid } of found) uids.add(uid)
      if (found.length < indexingRows.pageOfPlaces) return
      after = found.at(-1)!
      await turn()
    }
  }
  for (let at = 0; at < contents.length; at += idsPerStatement) {
    const some = contents.slice(at, at + idsPerStatement)
    await collect((tx, after) => indexingRows.uidsOfContents(tx, mailbox, some, after))
    await turn()
  }
  for (let at = 0; at < messages.length; at += idsPerStatement) {
    const some = messages.slice(at, at + idsPerStatement)
    await collect((tx, after) => indexingRows.uidsOfMessages(tx, mailbox, some, after))
    await turn()
  }
  await collect((tx, after) => indexingRows.uidsAbove(tx, mailbox, cursors, after))
  return uids
}

/** Looks at each place of the mailbox: cheaper than `join` when much was found. */
async function walk(store: ReadStore, mailbox: MailboxId, found: Candidates) {
  const uids = new Set<number>()
  const contents = new Set(found.contents)
  const messages = new Set(found.messages)
  const { cursors } = found
  for (let from = 1; ; ) {
    const page = await store.read((tx) => indexingRows.places(tx, mailbox, from))
    for (const { uid, content, message } of page)
      if (content > cursors.contents || message > cursors.messages || contents.has(content) || messages.has(message))
        uids.add(uid)
    if (page.length < indexingRows.pageOfPlaces) return uids
    from = page.at(-1)!.uid + 1
    await turn()
  }
}
