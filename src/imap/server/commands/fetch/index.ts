// FETCH and UID FETCH. Flags come from the view, everything else from rows of the store, page by page.

import { SyntaxFault, toRanges } from '../../../../base/index.ts'
import type { MessageRow } from '../../../../mail/index.ts'
import {
  type FetchItem,
  formatBodyStructure,
  formatDateTime,
  formatEmailId,
  formatString,
  formatThreadId,
  isSectionItem,
  type PartialRange,
  parseFetchItems,
  parseFetchModifiers,
  placesOf,
  type SectionItem,
} from '../../../wire/index.ts'
import { Bulk } from '../../bulk.ts'
import { type Command, command, type SelectedContext } from '../../command.ts'
import { inOrderOf, newest, withLowest } from '../../message-limit.ts'
import { Progress } from '../../progress.ts'
import { MessageLimit, type Outcome } from '../../replies.ts'
import type { Picked } from '../../selected.ts'
import { SEEN } from '../../view.ts'
import { assertMayVanish, tellEarlier, toUids } from '../vanished.ts'
import { inUtf8 } from './in-utf8.ts'
import { BlockReader, blockOf, DENSE, endOfBlock, type PackedPlan, planPacked, writePacked } from './packed.ts'
import { createReadAhead, type MessageBytes } from './read-ahead.ts'
import { findEncoded, findSection, isDecodable, needsStructure } from './section.ts'
import { writeBinary } from './write-binary.ts'
import { writeBody } from './write-body.ts'

/** Messages whose rows are read at once: a page lives only until it is sent. */
const PAGE = 500
/** Without rows: how many lines between looks at the clock. */
const LINES = 256

const fetchCommand = (name: string, rfc: string, byUid: boolean) =>
  command({
    name,
    rfc,
    states: ['selected'],
    // RFC 3516, RFC 8474, RFC 8514, RFC 8970, RFC 9394, RFC 6855, RFC 9585.
    capabilities: ['BINARY', 'OBJECTID', 'SAVEDATE', 'PREVIEW', 'PARTIAL', 'UTF8=ACCEPT', 'INPROGRESS'],
    enables: ['UTF8=ACCEPT'],
    refresh: 'before',
    keepsNumbers: !byUid,
    parse: (p) => ({ set: p.sp().sequenceSet(), items: parseFetchItems(p.sp()), modifiers: parseFetchModifiers(p) }),
    async run(context, { set, items, modifiers }) {
      const { changedSince } = modifiers
      const modseq = changedSince !== undefined || items.some(({ kind }) => kind === 'modseq')
      // RFC 9394 §3.3
      if (modifiers.partial && !byUid) throw new SyntaxFault('PARTIAL is of UID FETCH')
      if (modifiers.vanished) assertMayVanish(context.connection, byUid, changedSince)
      if (modseq) context.connection.enable(['CONDSTORE'])
      if (modifiers.vanished) await tellEarlier(context, toUids(context.selected, set), changedSince!)
      const implied = [
        ...(byUid && !context.selected.uidOnly ? ['uid' as const] : []),
        ...(modseq ? ['modseq' as const] : []),
      ]
      const wanted = [...missingItems(items, implied), ...items]
      const asked = context.selected.pick(set, byUid)
      const all = modifiers.partial ? pickPart(asked, modifiers.partial) : asked
      // A part was chosen by its size (RFC 9738 §3.1).
      if (modifiers.partial && all.count > context.limits.commandMessages)
        throw new MessageLimit(context.limits.commandMessages)
      const wished = changedSince === undefined ? all : changedAfter(context, all, changedSince)
      const some = newest(wished, context.limits)
      const { missing, undecodable } = await fetchMessages(context, inOrderOf(some), wanted)
      // A UID that does not exist is no error (RFC 9051 §6.4.9).
      return withLowest(context, some.lowest, outcome(byUid ? 0 : missing, undecodable))
    },
  })

const light = new Set(['uid', 'flags', 'modseq'])
const isLight = (items: readonly FetchItem[]) => items.every(({ kind }) => light.has(kind))

/** Those of `kinds` that are not among the items. */
const missingItems = (items: readonly FetchItem[], kinds: readonly ('uid' | 'flags' | 'modseq')[]) =>
  kinds.filter((kind) => !items.some((item) => item.kind === kind)).map((kind) => ({ kind }))

/** Of what the set holds; what else is asked for is asked of these (RFC 9394 §3.4). */
function pickPart({ missing, numbers, uids, count }: Picked, partial: PartialRange): Picked {
  const [from, to] = placesOf(partial, count)
  const chosen = uids.subarray(from, to)
  return { count: chosen.length, missing, numbers: numbers.subarray(from, to), uids: chosen }
}

/** One pass: the picked messages stand in the view's order. */
function changedAfter({ selected: { view } }: SelectedContext, picked: Picked, modseq: number): Picked {
  const { count, missing, numbers, uids } = picked
  const kept: number[] = []
  for (let i = 0, at = view.lowerBound(uids[0] ?? 0); i < count; i++) {
    while (view.uids[at]! < uids[i]!) at++
    if (view.modseqs[at]! > modseq) kept.push(i)
  }
  return {
    count: kept.length,
    missing,
    numbers: Uint32Array.from(kept, (i) => numbers[i]!),
    uids: Uint32Array.from(kept, (i) => uids[i]!),
  }
}

/** The FETCH responses of the picked messages. */
export async function fetchMessages(
  context: SelectedContext,
  picked: Picked,
  items: readonly FetchItem[],
): Promise<Tally> {
  const tally = { missing: picked.missing, undecodable: 0 }
  const plan = planPacked(context, items)
  if (plan && isLight(items)) await fetchLight(context, picked, plan, tally)
  else if (plan && picked.count >= DENSE) await fetchBlocks(context, picked, items, plan, tally)
  else await fetchRows(context, picked, items, tally)
  return tally
}

/** Messages that were left out, and those of which a part was. */
interface Tally {
  missing: number
  undecodable: number
}

/** RFC 2180 §4.1.2: what another session expunged meanwhile is left out, and the client is told to look. */
function outcome(missing: number, undecodable: number): Outcome {
  if (missing > 0) return { status: 'NO', code: 'EXPUNGEISSUED', text: 'some of these messages no longer exist' }
  if (undecodable === 0) return { text: 'done' }
  return { status: 'NO', code: 'UNKNOWN-CTE', text: 'a part has an encoding that is not known: fetch BODY instead' }
}

/** What the view knows. */
async function fetchLight(context: SelectedContext, picked: Picked, plan: PackedPlan, tally: Tally): Promise<void> {
  const bulk = new Bulk(context.out)
  const progress = new Progress(context, picked.count)
  for (let at = 0; at < picked.count; at += LINES) {
    const end = Math.min(at + LINES, picked.count)
    tally.missing += writePacked(context, bulk, plan, undefined, picked, at, end).length
    await progress.step(end)
  }
  bulk.flush()
}

/** What is packed, block by block; the messages between from their rows. */
async function fetchBlocks(
  context: SelectedContext,
  picked: Picked,
  items: readonly FetchItem[],
  plan: PackedPlan,
  tally: Tally,
): Promise<void> {
  const bulk = new Bulk(context.out)
  const progress = new Progress(context, picked.count)
  const blocks = new BlockReader(context, picked, plan.parts)
  const fromRows = async (part: Picked) => {
    if (part.count === 0) return
    bulk.flush()
    await fetchRows(context, part, items, tally)
  }
  let done = 0
  for (let at = 0; at < picked.count; ) {
    const end = endOfBlock(picked, at)
    const block = end - at >= DENSE ? await blocks.read(at) : undefined
    if (block) {
      await fromRows(partOf(picked, done, at))
      const left = writePacked(context, bulk, plan, block, picked, at, end)
      await fromRows(chosenOf(picked, left))
      await progress.step((done = end))
    } else if (end - at >= DENSE) askForPacking(context, picked.uids[at]!)
    at = end
  }
  await fromRows(partOf(picked, done, picked.count))
  bulk.flush()
}

/** What is complete and not packed is from before there were blocks, or quite new. */
function askForPacking({ services, selected: { view }, log }: SelectedContext, uid: number): void {
  if (view.askedToPack || blockOf(uid) >= blockOf(view.mailbox.uidNext)) return
  view.askedToPack = true
  services.writes
    .pack(view.account, view.id)
    .catch((error: unknown) => log.debug({ err: error }, 'packing was not asked for'))
}

const partOf = ({ numbers, uids }: Picked, from: number, to: number): Picked => ({
  count: to - from,
  missing: 0,
  numbers: numbers.subarray(from, to),
  uids: uids.subarray(from, to),
})

const chosenOf = ({ numbers, uids }: Picked, places: readonly number[]): Picked => ({
  count: places.length,
  missing: 0,
  numbers: Uint32Array.from(places, (i) => numbers[i]!),
  uids: Uint32Array.from(places, (i) => uids[i]!),
})

async function fetchRows(
  context: SelectedContext,
  picked: Picked,
  items: readonly FetchItem[],
  tally: Tally,
): Promise<void> {
  const { services, selected, connection } = context
  const has = (kind: FetchItem['kind']) => items.some((item) => item.kind === kind)
  const want = {
    envelope: has('envelope'),
    bodystructure: has('bodystructure'),
    structure: has('structure') || items.some((item) => isSectionItem(item) && needsStructure(item.section)),
    preview: has('preview'),
    bytes: items.some((item) => isSectionItem(item) && item.kind === 'body'),
  }
  const marksSeen = selected.may('s') && items.some((item) => isSectionItem(item) && !item.peek)
  const decodes = has('binary') || has('binarysize')
  const progress = new Progress(context, picked.count)
  for (let at = 0; at < picked.count; at += PAGE) {
    const uids = picked.uids.subarray(at, at + PAGE)
    const seen = marksSeen ? await markSeen(context, uids) : new Set<number>()
    const rows = await services.reads.rows(selected.view.id, toRanges(uids), want)
    const reads = createReadAhead(services.reads, selected.view.id, rows)
    const down = uids[0]! > uids[uids.length - 1]!
    let next = down ? rows.length - 1 : 0
    for (let i = 0; i < uids.length; i++) {
      const found = rows[next]
      if (found?.uid !== uids[i]!) {
        tally.missing++
        continue
      }
      next += down ? -1 : 1
      const row = connection.utf8 ? await inUtf8(services.reads, selected.view.id, found) : found
      const possible = decodes ? items.filter((item) => isPossible(row, item)) : items
      if (possible.length < items.length) tally.undecodable++
      const shown = seen.has(row.uid) ? withFlags(context, possible) : possible
      if (shown.length > 0) await fetchRow(context, picked.numbers[at + i]!, row, shown, reads)
      await progress.step(at + i + 1)
    }
  }
}

/** Not what would have to be decoded and cannot. */
function isPossible(row: MessageRow, item: FetchItem): boolean {
  if (item.kind !== 'binary' && item.kind !== 'binarysize') return true
  const part = findEncoded(row, item.section)
  return part === undefined || isDecodable(part)
}

/** The flags are told when reading changed them (RFC 9051 §6.4.5), with UID and modseq to who wants modseqs (RFC 7162 §3.2.4). */
const withFlags = ({ selected }: SelectedContext, items: readonly FetchItem[]): readonly FetchItem[] => [
  ...items,
  ...missingItems(items, selected.condstore ? ['uid', 'modseq', 'flags'] : ['flags']),
]

/** Sets \Seen where it is missing; returns the UIDs it changed. */
async function markSeen({ services, selected }: SelectedContext, uids: Uint32Array): Promise<Set<number>> {
  const { view } = selected
  const unseen = [...uids].filter((uid) => {
    const index = view.indexOf(uid)
    return index >= 0 && (view.lo[index]! & SEEN) === 0
  })
  if (unseen.length === 0) return new Set()
  await services.writes.setFlags(selected.access, toRanges(unseen), { mode: 'add', flags: ['\\Seen'] })
  await view.catchUp()
  return new Set(unseen)
}

async function fetchRow(
  context: SelectedContext,
  number: number,
  row: MessageRow,
  items: readonly FetchItem[],
  reads: MessageBytes,
) {
  const { out, selected } = context
  const has = (kind: FetchItem['kind']) => items.some((item) => item.kind === kind)
  selected.absorb()
  if (has('flags') && (has('modseq') || !selected.condstore)) selected.told(row.uid)
  out.text(selected.head(number, row.uid))
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!
    if (i > 0) out.text(' ')
    if (isSectionItem(item)) await fetchSection(context, row, item, reads)
    else out.text(formatItem(context, row, item.kind))
  }
  out.text(')\r\n')
}

type PlainKind = Exclude<FetchItem['kind'], SectionItem['kind']>

const formats: { readonly [kind in PlainKind]: (context: SelectedContext, row: MessageRow) => string } = {
  uid: (_, { uid }) => `UID ${uid}`,
  flags({ selected }, { uid }) {
    const index = selected.view.indexOf(uid)
    return `FLAGS (${index < 0 ? '' : selected.flagWords(index)})`
  },
  // Of a message expunged meanwhile: the lowest, so that nobody takes it for news.
  modseq: ({ selected }, { uid }) => `MODSEQ (${selected.view.modseqs[selected.view.indexOf(uid)] ?? 1})`,
  internaldate: (_, { receivedAt }) => `INTERNALDATE ${formatDateTime(receivedAt)}`,
  size: (_, { size }) => `RFC822.SIZE ${size}`,
  envelope: (_, { envelope }) => `ENVELOPE ${envelope}`,
  bodystructure: (_, { bodystructure }) => `BODYSTRUCTURE ${bodystructure}`,
  structure: ({ connection }, { structure }) =>
    `BODY ${structure ? formatBodyStructure(structure, false, connection.utf8) : 'NIL'}`,
  savedate: (_, { savedAt }) => `SAVEDATE ${formatDateTime(savedAt)}`,
  emailid: (_, { message }) => `EMAILID (${formatEmailId(message)})`,
  threadid: (_, { thread }) => `THREADID (${formatThreadId(thread)})`,
  preview: ({ connection }, { preview }) => `PREVIEW ${formatString(preview ?? '', connection.utf8)}`,
}
const formatItem = (context: SelectedContext, row: MessageRow, kind: PlainKind) => formats[kind](context, row)

async function fetchSection(
  { out }: SelectedContext,
  row: MessageRow,
  item: SectionItem,
  reads: MessageBytes,
): Promise<void> {
  if (item.kind === 'body') await writeBody(reads, out, row, item, findSection(row, item.section))
  else await writeBinary(reads, out, row, item, findEncoded(row, item.section))
}

export const fetchCommands: readonly Command[] = [
  fetchCommand('FETCH', 'RFC 9051 §6.4.5', false),
  fetchCommand('UID FETCH', 'RFC 9051 §6.4.9', true),
]
