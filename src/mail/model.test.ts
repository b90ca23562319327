// Random operations against a model of a few lines: what is stored, what is counted, and what a client sees that only asks for changes.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type AccountId, isFault, type MailboxId, type Range } from '../base/index.ts'
import { flagNames } from './flags.ts'
import { ownAccess } from './rights.ts'
import { type Mail, message, testMail } from './testing/store.ts'
import type { NewContent } from './types.ts'

const boxes = ['INBOX', 'Sent', 'Trash'] as const
type Box = (typeof boxes)[number]
const flags = ['\\Seen', '\\Deleted', '\\Flagged', 'Work', 'home', '$Junk'] as const

interface Model {
  next: number
  readonly messages: Map<number, Set<string>>
}
type Op =
  | { readonly do: 'append'; readonly box: Box; readonly count: number; readonly flags: string[] }
  | {
      readonly do: 'flags'
      readonly box: Box
      readonly uids: Range[]
      readonly mode: 'add' | 'remove' | 'replace'
      readonly flags: string[]
    }
  | { readonly do: 'copy' | 'move'; readonly box: Box; readonly uids: Range[]; readonly to: Box }
  | { readonly do: 'expunge'; readonly box: Box; readonly uids: Range[] | undefined }
  | { readonly do: 'replace'; readonly box: Box; readonly uid: number; readonly to: Box; readonly flags: string[] }

const box = fc.constantFrom(...boxes)
const uids = fc.array(fc.tuple(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 700 })), {
  minLength: 1,
  maxLength: 4,
}) as fc.Arbitrary<Range[]>
const someFlags = fc.subarray([...flags])
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ do: fc.constant('append' as const), box, count: fc.integer({ min: 1, max: 90 }), flags: someFlags }),
  fc.record({
    do: fc.constant('flags' as const),
    box,
    uids,
    mode: fc.constantFrom('add' as const, 'remove' as const, 'replace' as const),
    flags: someFlags,
  }),
  fc.record({ do: fc.constantFrom('copy' as const, 'move' as const), box, uids, to: box }),
  fc.record({
    do: fc.constant('replace' as const),
    box,
    uid: fc.integer({ min: 1, max: 40 }),
    to: box,
    flags: someFlags,
  }),
  fc.record({ do: fc.constant('expunge' as const), box, uids: fc.option(uids, { nil: undefined }) }),
)

const holds = (ranges: readonly Range[], uid: number) =>
  ranges.some(([a, b]) => uid >= Math.min(a, b) && uid <= Math.max(a, b))

/** What the operation should do. */
function applyTo(model: Record<Box, Model>, op: Op): void {
  const from = model[op.box]
  const chosen = [...from.messages.keys()].filter((uid) => 'uids' in op && op.uids && holds(op.uids, uid))
  if (op.do === 'append') for (let i = 0; i < op.count; i++) from.messages.set(from.next++, new Set(op.flags))
  else if (op.do === 'flags')
    for (const uid of chosen) {
      const now = from.messages.get(uid)!
      if (op.mode === 'replace') now.clear()
      for (const flag of op.flags) op.mode === 'remove' ? now.delete(flag) : now.add(flag)
    }
  else if (op.do === 'expunge') {
    for (const [uid, set] of [...from.messages])
      if (set.has('\\Deleted') && (!op.uids || holds(op.uids, uid))) from.messages.delete(uid)
  } else if (op.do === 'replace' && from.messages.delete(op.uid))
    model[op.to].messages.set(model[op.to].next++, new Set(op.flags))
  if (op.do !== 'copy' && op.do !== 'move') return
  const to = model[op.to]
  for (const uid of chosen) {
    const set = from.messages.get(uid)!
    if (op.do === 'move') from.messages.delete(uid)
    to.messages.set(to.next++, new Set(set))
  }
}

/** The same for real. */
async function applyReal(mail: Mail, account: AccountId, ids: Record<Box, MailboxId>, content: NewContent, op: Op) {
  const { writes } = mail
  const from = ids[op.box]
  if (op.do === 'append')
    await writes.append(
      ownAccess(account, from),
      Array.from({ length: op.count }, () => ({ content, flags: op.flags })),
    )
  else if (op.do === 'flags')
    await writes.setFlags(ownAccess(account, from), op.uids, { mode: op.mode, flags: op.flags })
  else if (op.do === 'expunge') await writes.expunge(ownAccess(account, from), op.uids)
  else if (op.do === 'replace')
    await writes
      .replace(ownAccess(account, from), op.uid, ownAccess(account, ids[op.to]), { content, flags: op.flags })
      .catch((error: unknown) => assert.ok(isFault(error, 'conflict')))
  else await writes[op.do](ownAccess(account, from), op.uids, ownAccess(account, ids[op.to]))
}

interface View {
  modseq: number
  readonly messages: Map<number, { lo: number; hi: number }>
  keywords: string[]
}

/** Catches up as a session does: from the blocks that changed, and of these only the slots that did. */
async function catchUp(mail: Mail, id: MailboxId, view: View): Promise<void> {
  const changes = (await mail.reads.changesSince(id, view.modseq))!
  for (const block of changes.blocks)
    for (let slot = 0; slot < block.count; slot++) {
      if (block.modseqs[slot]! <= view.modseq) continue
      const uid = block.block * 256 + slot
      if (block.present[slot]) view.messages.set(uid, { lo: block.lo[slot]!, hi: block.hi[slot]! })
      else view.messages.delete(uid)
    }
  view.modseq = changes.mailbox.modseq
  view.keywords = changes.keywords
  assert.equal(changes.mailbox.messages, view.messages.size)
}

const plain = (messages: Iterable<[number, Iterable<string>]>) =>
  [...messages].sort(([a], [b]) => a - b).map(([uid, names]) => `${uid} ${[...names].sort().join(' ')}`)

for (const [dialect, numRuns] of [
  ['sqlite', 40],
  ['postgres', 3],
] as const)
  testMail(
    'random operations leave what the model says',
    async (mail) => {
      const content = await mail.content(message('model'))
      const property = fc.asyncProperty(fc.array(op, { minLength: 1, maxLength: 25 }), async (ops) => {
        const account = await mail.addAccount()
        const ids = {} as Record<Box, MailboxId>
        const model = {} as Record<Box, Model>
        const views = {} as Record<Box, View>
        for (const name of boxes) {
          ids[name] = await mail.mailbox(account, name)
          model[name] = { next: 1, messages: new Map() }
          views[name] = { modseq: 0, messages: new Map(), keywords: [] }
        }
        for (const [i, op] of ops.entries()) {
          await applyReal(mail, account, ids, content, op)
          applyTo(model, op)
          // Not each time: a client that was away sees several changes at once.
          if (i % 3 === 2) await catchUp(mail, ids[op.box], views[op.box])
        }
        let total = 0
        for (const name of boxes) {
          await catchUp(mail, ids[name], views[name])
          const { keywords, messages } = views[name]
          const seen = [...messages].map(([uid, bits]): [number, string[]] => [uid, flagNames(bits, keywords)])
          assert.deepEqual(plain(seen), plain(model[name].messages))
          total += messages.size
        }
        assert.equal((await mail.reads.quota(account)).usedMessages, total)
      })
      await fc.assert(property, { numRuns })
      assert.deepEqual(await mail.check(), [])
    },
    { only: dialect },
  )
