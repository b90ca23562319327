// The threads of messages as trees: REFERENCES and ORDEREDSUBJECT (RFC 5256 §3), and REFS, which is REFERENCES without subjects and with
// the thread of the newest message last (draft-ietf-morg-inthread). Linear whatever the ids say; in steps that others are let in between.

import type { ThreadAlgorithm } from '../../../wire/index.ts'
import { orderOf, rankNumbers } from '../sort/ranks.ts'

/** Messages side by side, in the mailbox's order. Ids and subjects are numbers that are equal for equal texts. */
export interface ThreadInput {
  readonly count: number
  /** The message's own id, 0 without one. */
  readonly ids: Float64Array
  /** Ids that message i refers to, oldest first: refs[starts[i]] … refs[starts[i + 1] - 1]. */
  readonly refs: Float64Array
  readonly starts: Uint32Array
  /** The base subject, 0 when it is empty. */
  readonly subjects: Float64Array
  /** 1: a mark of a reply or a forward was taken off the subject. */
  readonly replies: Uint8Array
  readonly sentAt: Float64Array
}

/** Nodes below `count` are messages, others are dummies: they hold several whose parent is missing. Lists end with -1. */
export interface Forest {
  readonly count: number
  /** In the order of the answer. */
  readonly roots: readonly number[]
  readonly firstChild: Int32Array
  readonly nextSibling: Int32Array
}

type Steps<T> = Generator<void, T>
/** Messages between two looks at the clock. */
const STEP = 4096

export function* thread(input: ThreadInput, algorithm: ThreadAlgorithm): Steps<Forest> {
  const order = inOrder(input.sentAt)
  yield
  const parents =
    algorithm === 'ORDEREDSUBJECT' ? yield* groupBySubject(input, order) : yield* prune(input, yield* link(input))
  if (algorithm === 'REFERENCES') yield* joinSubjects(input, order, parents)
  const forest = yield* plant(input, order, parents)
  return algorithm === 'REFS' ? { ...forest, roots: byLatest(input, parents, forest) } : forest
}

/** Indexes by value; ties stay in their order. */
function inOrder(values: Float64Array): Uint32Array {
  // Most mail comes in the order in which it was sent.
  let sorted = 1
  while (sorted < values.length && values[sorted - 1]! <= values[sorted]!) sorted++
  if (sorted >= values.length) return Uint32Array.from(values.keys())
  const { ranks, count } = rankNumbers(values)
  return orderOf(ranks, count)
}

/** The parent of each node, -1 without one; dummies have numbers from `count` on. */
type Parents = number[] | Int32Array

/** Everything with one subject below the first of it (RFC 5256 §3, ORDEREDSUBJECT). */
function* groupBySubject({ count, subjects }: ThreadInput, order: Uint32Array): Steps<Parents> {
  const parents = new Int32Array(count).fill(-1)
  const heads = new NumberMap(count)
  // Those without a subject are of one thread; 0 is no key.
  let bare = -1
  let steps = 0
  for (const i of order) {
    const subject = subjects[i]!
    const head = subject === 0 ? bare : heads.get(subject)
    if (head >= 0) parents[i] = head
    else if (subject === 0) bare = i
    else heads.set(subject, i)
    if (++steps % STEP === 0) yield
  }
  return parents
}

/** Which node a tree's node hangs from, with shortened ways: a link that would close a loop is found at once (RFC 5256 §3, step 1). */
class Trees {
  readonly parents: number[]
  readonly #up: number[]

  constructor(count: number) {
    this.parents = new Array<number>(count).fill(-1)
    this.#up = new Array<number>(count)
    for (let i = 0; i < count; i++) this.#up[i] = i
  }

  add(): number {
    this.#up.push(this.parents.length)
    return this.parents.push(-1) - 1
  }

  #rootOf(node: number): number {
    let at = node
    while (this.#up[at] !== at) {
      this.#up[at] = this.#up[this.#up[at]!]!
      at = this.#up[at]!
    }
    return at
  }

  /** Hangs a node without a parent below another, unless that is below it already. */
  link(parent: number, child: number): void {
    if (this.#rootOf(parent) === child) return
    this.parents[child] = parent
    this.#up[child] = parent
  }
}

/**
 * Step 1. A message's last reference is its parent, whatever others say of it; so these links are made first. Then the references of
 * each message make the parents of what has none. A message without references loses what those before it said.
 */
function* link(input: ThreadInput): Steps<Parents> {
  const { count, refs, starts } = input
  const { nodeOf, trees } = yield* numberNodes(input)
  const nodes = new Uint32Array(refs.length)
  for (let i = 0; i < count; i++) {
    for (let at = starts[i]!; at < starts[i + 1]!; at++) nodes[at] = nodeOf(refs[at]!)
    if (starts[i + 1]! > starts[i]!) trees.link(nodes[starts[i + 1]! - 1]!, i)
    if (i % STEP === 0) yield
  }
  for (let i = 0; i < count; i++) {
    for (let at = starts[i]! + 1; at < starts[i + 1]!; at++) {
      const child = nodes[at]!
      const isLater = child > i && child < count && starts[child] === starts[child + 1]
      if (trees.parents[child] === -1 && !isLater) trees.link(nodes[at - 1]!, child)
    }
    if (i % STEP === 0) yield
  }
  return trees.parents
}

/** An id belongs to the first message that has it; one that no message has is a node of its own. */
function* numberNodes({ count, ids, refs }: ThreadInput): Steps<{ nodeOf(id: number): number; trees: Trees }> {
  const nodes = new NumberMap(count + refs.length)
  for (let i = 0; i < count; i++) {
    if (ids[i] !== 0 && nodes.get(ids[i]!) < 0) nodes.set(ids[i]!, i)
    if (i % STEP === 0) yield
  }
  const trees = new Trees(count)
  const nodeOf = (id: number) => {
    let node = nodes.get(id)
    if (node < 0) nodes.set(id, (node = trees.add()))
    return node
  }
  return { nodeOf, trees }
}

/** From hashes, which are never 0, to numbers from 0 on: a Map would make an object of each hash. */
class NumberMap {
  readonly #keys: Float64Array
  readonly #values: Uint32Array
  readonly #mask: number

  /** At most so many keys are set. */
  constructor(most: number) {
    let size = 16
    while (size < most * 1.5) size *= 2
    this.#keys = new Float64Array(size)
    this.#values = new Uint32Array(size)
    this.#mask = size - 1
  }

  /** The lowest bits of a hash are as good as any. */
  #placeOf(key: number): number {
    let place = (key >>> 0) & this.#mask
    while (this.#keys[place] !== 0 && this.#keys[place] !== key) place = (place + 1) & this.#mask
    return place
  }

  /** -1: it was not set. */
  get(key: number): number {
    const place = this.#placeOf(key)
    return this.#keys[place] === 0 ? -1 : this.#values[place]!
  }

  set(key: number, value: number): void {
    const place = this.#placeOf(key)
    this.#keys[place] = key
    this.#values[place] = value
  }
}

/**
 * Steps 2 and 3: a message hangs from the nearest message above it. Where there is none it is a thread, or one of several below the
 * topmost missing one, which stays as a dummy.
 */
function* prune({ count }: ThreadInput, parents: Parents): Steps<Parents> {
  // Of a missing node: the nearest message above it, or the topmost missing one.
  const anchors = new Int32Array(parents.length).fill(-1)
  const way: number[] = []
  const anchorOf = (node: number): number => {
    let at = node
    while (at >= count && anchors[at] === -1 && parents[at] !== -1) {
      way.push(at)
      at = parents[at]!
    }
    const anchor = at < count ? at : anchors[at] === -1 ? at : anchors[at]!
    for (const each of way) anchors[each] = anchor
    way.length = 0
    return anchor
  }
  const pruned: number[] = []
  const held = new Uint32Array(parents.length)
  for (let i = 0; i < count; i++) {
    const parent = parents[i] === -1 ? -1 : anchorOf(parents[i]!)
    pruned.push(parent)
    if (parent >= count) held[parent]!++
    if (i % STEP === 0) yield
  }
  for (let i = 0; i < count; i++) if (pruned[i]! >= count && held[pruned[i]!] === 1) pruned[i] = -1
  for (let node = count; node < parents.length; node++) pruned.push(-1)
  return pruned
}

/** Step 5: threads of one subject become one. */
function* joinSubjects(input: ThreadInput, order: Uint32Array, parents: Parents): Steps<void> {
  const { count, subjects, replies } = input
  const nodes = parents as number[]
  const threads = yield* topLevel(input, order, nodes)
  let steps = 0
  const table = new NumberMap(threads.length)
  const isReply = (node: number) => node < count && replies[node] === 1
  for (const { node, first } of threads) {
    if (++steps % STEP === 0) yield
    const subject = subjects[first]!
    if (subject === 0) continue
    const other = table.get(subject)
    const better = other >= 0 && other < count && (node >= count || (isReply(other) && !isReply(node)))
    if (other < 0 || better) table.set(subject, node)
  }
  const merged = new Map<number, number>()
  for (const { node, first } of threads) {
    if (++steps % STEP === 0) yield
    const subject = subjects[first]!
    const other = subject === 0 ? -1 : table.get(subject)
    if (other < 0 || other === node) continue
    if (other >= count && node >= count) merged.set(node, other)
    else if (other >= count || (isReply(node) && !isReply(other))) nodes[node] = other
    else {
      const dummy = nodes.push(-1) - 1
      nodes[node] = dummy
      nodes[other] = dummy
      table.set(subject, dummy)
    }
  }
  if (merged.size > 0) for (let i = 0; i < count; i++) nodes[i] = merged.get(nodes[i]!) ?? nodes[i]!
}

interface Thread {
  readonly node: number
  /** Its first message. */
  readonly first: number
}

/** The threads by the sent date of their first message (step 4); a dummy's is its first child, whose subject it has too. */
function* topLevel({ count }: ThreadInput, order: Uint32Array, parents: Parents): Steps<Thread[]> {
  const threads: Thread[] = []
  const seen = new Uint8Array(parents.length)
  let steps = 0
  for (const first of order) {
    if (++steps % STEP === 0) yield
    const parent = parents[first]!
    const node = parent === -1 ? first : parent
    if ((parent !== -1 && parent < count) || seen[node] === 1) continue
    if (parent !== -1) seen[node] = 1
    threads.push({ node, first })
  }
  return threads
}

/** Step 6: messages take their places in the order of their dates, so that all siblings stand in it. */
function* plant({ count }: ThreadInput, order: Uint32Array, parents: Parents): Steps<Forest> {
  const firstChild = new Int32Array(parents.length).fill(-1)
  const lastChild = new Int32Array(parents.length).fill(-1)
  const nextSibling = new Int32Array(parents.length).fill(-1)
  const roots: number[] = []
  let steps = 0
  for (const i of order) {
    const parent = parents[i]!
    if (parent === -1) roots.push(i)
    else {
      if (firstChild[parent] === -1) firstChild[parent] = i
      else nextSibling[lastChild[parent]!] = i
      // A dummy stands where its first child would.
      if (parent >= count && lastChild[parent] === -1) roots.push(parent)
      lastChild[parent] = i
    }
    if (++steps % STEP === 0) yield
  }
  return { count, roots, firstChild, nextSibling }
}

/** Threads by the sent date of their newest message; ties by their first message's place in the mailbox. */
function byLatest({ count, sentAt }: ThreadInput, parents: Parents, { roots, firstChild }: Forest): number[] {
  const tops = new Int32Array(parents.length).fill(-1)
  const topOf = (node: number): number => {
    let top = node
    while (tops[top] === -1 && parents[top] !== -1) top = parents[top]!
    if (tops[top] !== -1) top = tops[top]!
    for (let at = node; at !== top && tops[at] === -1; at = parents[at]!) tops[at] = top
    return top
  }
  const latest = new Float64Array(parents.length).fill(Number.NEGATIVE_INFINITY)
  for (let i = 0; i < count; i++) {
    const top = topOf(i)
    latest[top] = Math.max(latest[top]!, sentAt[i]!)
  }
  const byPlace = new Int32Array(count).fill(-1)
  for (const root of roots) byPlace[root < count ? root : firstChild[root]!] = root
  const placed = Array.from(byPlace).filter((root) => root !== -1)
  return Array.from(inOrder(Float64Array.from(placed, (root) => latest[root]!)), (i) => placed[i]!)
}
