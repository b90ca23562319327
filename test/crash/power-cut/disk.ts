// A disk that loses its power: what may be on it after so many notes of the log. What a completed sync covers is there: of a file its
// bytes and size, of a folder its names, and neither means the other. All else is there or not, each change and each sector for itself.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileSize, FileWrite, NameChange, Note, Sync } from './notes.ts'

const sector = 512

/**
 * What becomes of changes that no sync covers: none is there; all are; those before a moment, the last one torn; each write or none of
 * it; each sector or not.
 */
export const fates = ['lost', 'kept', 'until', 'writes', 'sectors'] as const
export type Fate = (typeof fates)[number]

export interface Cut {
  /** Notes that happened. */
  readonly notes: number
  readonly fate: Fate
  /** From 0 on, below 1. */
  readonly random: () => number
  /** The disk says that it has synced and has not. */
  readonly lies?: boolean
}

/** Numbers that follow from the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

class Bytes {
  #buffer = Buffer.alloc(4_096)
  #size = 0

  write(at: number, bytes: Buffer): void {
    this.#reserve(at + bytes.length)
    bytes.copy(this.#buffer, at)
    this.#size = Math.max(this.#size, at + bytes.length)
  }

  resize(size: number): void {
    this.#reserve(size)
    if (size < this.#size) this.#buffer.fill(0, size, this.#size)
    this.#size = size
  }

  get all(): Buffer {
    return this.#buffer.subarray(0, this.#size)
  }

  #reserve(size: number): void {
    if (size <= this.#buffer.length) return
    const wider = Buffer.alloc(Math.max(size, this.#buffer.length * 2))
    this.#buffer.copy(wider, 0, 0, this.#size)
    this.#buffer = wider
  }
}

type Folder = Map<string, number | 'folder'>
export type Tree = ReadonlyMap<string, Buffer | 'folder'>

/** Paths below the data folder and what is there after the cut. */
export function afterCut(notes: readonly Note[], cut: Cut): Tree {
  const covered = cut.lies ? () => 0 : coverage(notes, cut.notes)
  const survives = fateOf(cut)
  const files = new Map<number, Bytes>()
  const folders = new Map<string, Folder>()
  for (let n = 0; n < cut.notes; n++)
    for (const change of notes[n]!) {
      if (change.kind === 'synced' || change.kind === 'reply') continue
      const safe = n < covered(change)
      if (change.kind === 'name') {
        if (safe || survives(n)) rename(folders, change)
        continue
      }
      let bytes = files.get(change.file)
      if (!bytes) files.set(change.file, (bytes = new Bytes()))
      if (change.kind === 'size') {
        if (safe || survives(n)) bytes.resize(change.size)
      } else if (safe) bytes.write(change.at, change.bytes)
      else writeTorn(bytes, change, n, cut, survives)
    }
  return plant(folders, files)
}

/** The number of the note before which a sync has covered the changes of the same file or folder. */
function coverage(notes: readonly Note[], count: number): (change: FileWrite | FileSize | NameChange) => number {
  const upTo = new Map<number | string, number>()
  const cover = ({ file, folder, began }: Sync) => {
    const key = file ?? folder!
    upTo.set(key, Math.max(upTo.get(key) ?? 0, began))
  }
  for (const note of notes.slice(0, count)) for (const change of note) if (change.kind === 'synced') cover(change)
  return (change) => upTo.get(change.kind === 'name' ? change.folder : change.file) ?? 0
}

/** Whether a change of that note, which no sync covers, is there. */
function fateOf({ fate, random, notes }: Cut): (note: number) => boolean {
  if (fate === 'lost') return () => false
  if (fate === 'kept') return () => true
  if (fate === 'until') {
    const moment = notes - 1 - Math.floor(random() * Math.min(notes, 200))
    return (note) => note <= moment
  }
  const share = [0.1, 0.5, 0.9][Math.floor(random() * 3)]!
  return () => random() < share
}

function writeTorn(bytes: Bytes, change: FileWrite, note: number, cut: Cut, survives: (note: number) => boolean): void {
  const last = cut.fate === 'until' && survives(note) && !survives(note + 1)
  if (cut.fate !== 'sectors' && !last) {
    if (survives(note)) bytes.write(change.at, change.bytes)
    return
  }
  for (let from = 0; from < change.bytes.length; ) {
    const to = Math.min(change.bytes.length, from + sector - ((change.at + from) % sector))
    if (last ? cut.random() < 0.5 : survives(note)) bytes.write(change.at + from, change.bytes.subarray(from, to))
    from = to
  }
}

function rename(folders: Map<string, Folder>, { folder, name, means }: NameChange): void {
  let names = folders.get(folder)
  if (!names) folders.set(folder, (names = new Map()))
  if (means === 'nothing') names.delete(name)
  else names.set(name, means)
}

/** What can be reached by name; a file whose name was lost is lost. */
function plant(folders: ReadonlyMap<string, Folder>, files: ReadonlyMap<number, Bytes>): Tree {
  const tree = new Map<string, Buffer | 'folder'>()
  const add = (folder: string) => {
    for (const [name, means] of folders.get(folder) ?? []) {
      const path = folder === '' ? name : `${folder}/${name}`
      tree.set(path, means === 'folder' ? means : (files.get(means)?.all ?? Buffer.alloc(0)))
      if (means === 'folder') add(path)
    }
  }
  add('')
  return tree
}

/** Writes the tree to a folder that is not there yet. */
export function writeTree(tree: Tree, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [path, bytes] of tree)
    if (bytes === 'folder') mkdirSync(join(folder, path), { mode: 0o700 })
    else writeFileSync(join(folder, path), bytes, { mode: 0o600 })
}
