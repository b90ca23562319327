// THREAD and UID THREAD (RFC 5256).

import { type Cursor, parseThreadProgram } from '../../../wire/index.ts'
import { type Command, command, type SelectedContext } from '../../command.ts'
import { namesNumbers, refuseConflict } from '../search/conclude.ts'
import { badCharset, knowsCharset, searchWhole } from '../search/run.ts'
import { readThreadInput } from './facts.ts'
import { type Forest, thread } from './forest.ts'

const threadCommand = (name: string, byUid: boolean) =>
  command({
    name,
    rfc: 'RFC 5256 §3',
    states: ['selected'],
    capabilities: ['THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES', 'THREAD=REFS'],
    refresh: 'before',
    keepsNumbers: byUid ? namesNumbers : true,
    parse: (p: Cursor) => parseThreadProgram(p.sp()),
    async run(context, program) {
      refuseConflict(context, program)
      if (!knowsCharset(program)) return badCharset
      const { selected, out } = context
      const found = await searchWhole(context, selected, program)
      const input = await readThreadInput(context, selected.view, found.uids)
      const forest = await inTurns(context, thread(input, program.algorithm))
      await writeThreads(context, forest, byUid ? found.uids : found.numbers)
      out.text('\r\n')
      return { text: 'done' }
    },
  })

async function inTurns<T>({ out }: SelectedContext, steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await out.pace()
  }
}

/** Pieces of the line between two looks at the clock. */
const PIECES = 1000

/** On the writer's stack: the end of a list, and a node that begins one. */
const CLOSE = -1
const toOpen = (node: number) => -2 - node

/** `* THREAD (1 2 (3)(4 5))((6)(7))`; without recursion, because a thread may be as deep as the mailbox. */
async function writeThreads({ out }: SelectedContext, forest: Forest, names: readonly number[]): Promise<void> {
  const { roots, count, firstChild, nextSibling } = forest
  // What comes next, the last first.
  const next: number[] = []
  let pieces = 0
  out.text(roots.length === 0 ? '* THREAD' : '* THREAD ')
  for (const root of roots) {
    next.push(CLOSE, root)
    out.text('(')
    while (next.length > 0) {
      const node = next.pop()!
      if (++pieces % PIECES === 0) await out.pace()
      if (node === CLOSE) out.text(')')
      else if (node < 0) {
        out.text('(')
        next.push(CLOSE, toOpen(node))
      } else {
        if (node < count) out.text(String(names[node]))
        writeBranch(node)
      }
    }
  }

  /** One child continues the line; several are lists of their own (RFC 5256 §4). */
  function writeBranch(node: number): void {
    const child = firstChild[node]!
    if (child === -1) return
    if (node < count) out.text(' ')
    if (nextSibling[child] === -1) {
      next.push(child)
      return
    }
    const children: number[] = []
    for (let at = child; at !== -1; at = nextSibling[at]!) children.push(toOpen(at))
    for (const each of children.reverse()) next.push(each)
  }
}

export const threadCommands: readonly Command[] = [threadCommand('THREAD', false), threadCommand('UID THREAD', true)]
