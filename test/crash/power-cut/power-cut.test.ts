// The power goes, after and between syncs: the store opens whatever the disk may have kept, and finds every acknowledged message, byte
// for byte. SEED=… repeats the cuts of a run on a new recording.

import assert from 'node:assert/strict'
import { cpSync, existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { full, has } from '../../server.ts'
import { afterCut, type Cut, fates, randomFrom, writeTree } from './disk.ts'
import { acknowledgedBy, type Expected, findLosses, removedBy } from './left.ts'
import type { Note } from './notes.ts'
import { type Load, type Recording, record, send } from './record.ts'

interface Planned extends Load {
  readonly cuts: number
}
const short = (index: boolean): Planned => ({ rounds: 2, messages: 40, index, cuts: 25 })
const long = (index: boolean): Planned => ({ rounds: 2, messages: 150, index, cuts: 240 })
/** So much in the log of the database that the server itself copies it back. */
const heavy: Planned = { rounds: 1, messages: 800, sizes: [60_000], index: true, cuts: 40 }
const plan = full ? [long(false), long(true), long(false), long(true), heavy] : [short(false), short(true)]
const cuts = plan.reduce((sum, one) => sum + one.cuts, 0)
/** Of so many cuts the last ones, one of each fate, are also given to a whole server. */
const serverEach = full ? 40 : 25
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Why it is left out. */
const missing =
  process.platform !== 'linux'
    ? 'the shim knows the calls of Linux alone'
    : !(await has('gcc')) || !existsSync('/usr/include/stdio.h')
      ? 'no C compiler: apt-get install gcc libc6-dev'
      : false

test(`power cut, ${cuts} times`, { skip: missing }, async (t) => {
  t.diagnostic(`SEED=${seed}`)
  const random = randomFrom(seed)
  for (const planned of plan) {
    const recording = await record(t, planned)
    assertWhole(recording)
    if (planned === heavy) assertCopied(recording)
    await cutOften(t, recording, planned.cuts, random)
    await assertLiesAreFound(recording, random)
  }
})

/** The notes are all that happened: with everything kept they make the folder that is there. */
function assertWhole({ server, notes, sent, relayed }: Recording): void {
  const made = afterCut(notes, { notes: notes.length, fate: 'kept', random: () => 0 })
  const there = readdirSync(server.data, { recursive: true, encoding: 'utf8' }).filter((path) => !path.endsWith('-shm'))
  // The sockets of the server's doors are no files.
  const kept = there.filter((path) => !lstatSync(join(server.data, path)).isSocket())
  assert.deepEqual([...made.keys()].sort(), kept.sort())
  for (const [path, bytes] of made)
    if (bytes !== 'folder') assert.ok(bytes.equals(readFileSync(join(server.data, path))), `${path} is as noted`)
  assert.equal(acknowledgedBy(notes, notes.length, sent).size, sent.length, 'every reply was noted')
  assert.ok(sent.every(({ acknowledged }) => acknowledged))
  assert.equal(removedBy(notes, notes.length, sent).size, sent.filter(({ removed }) => removed).length)
  assert.ok(relayed().size > 0, 'mail left')
}

/** The database itself was written and synced while mail came. */
function assertCopied({ notes }: Recording): void {
  const database = notes.findIndex((note) =>
    note.some((change) => change.kind === 'name' && change.name === 'posthorn.db'),
  )
  const isReply = (note: Note) => note.some((change) => change.kind === 'reply' && change.text.includes('queued as'))
  const under = notes.slice(notes.findIndex(isReply), notes.findLastIndex(isReply))
  assert.ok(under.some((note) => note.some((change) => change.kind === 'synced' && change.file === database)))
}

async function cutOften(t: TestContext, recording: Recording, times: number, random: () => number): Promise<void> {
  const { notes, sent, relayed } = recording
  let looked = 0
  for (let n = 0; n < times; n++) {
    const cut = { notes: chooseMoment(notes, random), fate: fates[n % fates.length]!, random }
    const acknowledged = acknowledgedBy(notes, cut.notes, sent)
    const before = { sent, acknowledged, removed: removedBy(notes, cut.notes, sent), relayed }
    looked += acknowledged.size
    await onLeft(recording, cut, async (data) => {
      assert.deepEqual(await findLosses(data, before), [])
      if (n % serverEach >= serverEach - fates.length) await assertServes(recording, data, before)
    })
  }
  t.diagnostic(`${times} cuts in ${notes.length} notes; ${looked} acknowledged messages looked for`)
}

/** Just after a sync began or ended, just after a reply, or anywhere. */
function chooseMoment(notes: readonly Note[], random: () => number): number {
  const wanted = ['sync', 'synced', 'reply', undefined][Math.floor(random() * 4)]
  const from = Math.floor(random() * notes.length)
  for (let n = from; wanted && n < notes.length; n++)
    if (wanted === 'sync' ? notes[n]!.length === 0 : notes[n]!.some(({ kind }) => kind === wanted)) return n + 1
  return from
}

async function onLeft({ server, notes }: Recording, cut: Cut, look: (data: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-cut-'))
  const data = join(folder, 'data')
  const what = `SEED=${seed}, cut after ${cut.notes} notes of ${server.data}, unsynced: ${cut.fate}`
  try {
    writeTree(afterCut(notes, cut), data)
    await look(data)
  } catch (error) {
    throw new Error(what, { cause: error })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A whole server starts on it, takes a message, delivers it, and loses nothing of the others. */
async function assertServes({ server, sent }: Recording, data: string, before: Expected): Promise<void> {
  rmSync(server.data, { recursive: true })
  cpSync(data, server.data, { recursive: true })
  await server.start()
  // Who was not there yet can take nothing.
  const after =
    before.acknowledged.size > 0 ? [await send(server.ports.smtp, new Set(), 'u0@posthorn.test', 'after', 70_000)] : []
  assert.equal(await server.stop(), 0, server.output)
  const expected = { ...before, sent: [...sent, ...after], acknowledged: new Set([...before.acknowledged, ...after]) }
  assert.deepEqual(await findLosses(server.data, expected), [])
}

/** The test can fail: on a disk that only says that it syncs, acknowledged messages are lost. */
async function assertLiesAreFound(recording: Recording, random: () => number): Promise<void> {
  const { notes, sent, relayed } = recording
  const cut = { notes: notes.length, fate: 'lost', random, lies: true } as const
  await onLeft(recording, cut, async (data) => {
    const acknowledged = acknowledgedBy(notes, notes.length, sent)
    const lost = await findLosses(data, { sent, acknowledged, removed: new Set(), relayed })
    const missed = sent.filter(({ id, removed }) => !removed && !relayed().has(id))
    assert.equal(lost.length, missed.length, 'every message is missed')
  })
}
