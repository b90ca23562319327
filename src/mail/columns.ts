// Facts of many messages side by side: the form in which searching and sorting read them, and in which the search index keeps them,
// packed by blocks of UIDs. What is kept never changes for a UID; whatever is not kept is made from the messages' rows.

import { toCollation } from '../mime/index.ts'
import { toBuffer } from '../store/index.ts'
import {
  decodeThreading,
  encodeThreading,
  joinNumbers,
  joinThreading,
  type Threading,
  threadingFacts,
  toThreading,
} from './threading.ts'
import type { Fact, MessageFacts } from './types.ts'

/** UIDs of one block: as many as rows that one statement may give. */
export const blockSize = 1000
export const blockOf = (uid: number): number => Math.floor(uid / blockSize)

const numberColumns = ['receivedAt', 'savedAt', 'sentAt', 'size'] as const
const textColumns = ['subject', 'from', 'to', 'cc', 'bcc'] as const
/** As i;unicode-casemap compares them. */
const sortColumns = ['baseSubject', 'sortFrom', 'sortTo', 'sortCc', 'displayFrom', 'displayTo'] as const

export type NumberColumn = (typeof numberColumns)[number]
export type TextColumn = (typeof textColumns)[number] | (typeof sortColumns)[number]
export type ColumnName = NumberColumn | TextColumn | 'threading'

/** Texts of messages: those that are different, ascending by code units, and which of them each message has. */
export interface Texts {
  readonly texts: readonly string[]
  readonly places: Uint16Array
}

type ValueOf<Name extends ColumnName> = Name extends NumberColumn
  ? Float64Array
  : Name extends TextColumn
    ? Texts
    : Threading

/** At most 1,000 messages by ascending UID. What has no number (a message without a date) is NaN. */
export interface Columns<Name extends ColumnName> {
  readonly uids: Uint32Array
  readonly values: { readonly [name in Name]: ValueOf<name> }
}

export const packedColumns: readonly ColumnName[] = [...numberColumns, ...textColumns, ...sortColumns, 'threading']
/** Columns that say what the facts of their names say. */
export type SearchColumn = NumberColumn | (typeof textColumns)[number]
export const searchColumns: readonly SearchColumn[] = [...numberColumns, ...textColumns]
const isNumber = new Set<string>(numberColumns)
const isSortKey = new Set<string>(sortColumns)

/** The facts from which columns are made. */
export function factsOf(want: readonly ColumnName[]): readonly Fact[] {
  return want.flatMap((name): readonly Fact[] => (name === 'threading' ? threadingFacts : [name]))
}

/** Columns of rows that have the facts of `factsOf`. */
export function toColumns<Name extends ColumnName>(
  rows: readonly MessageFacts[],
  want: readonly Name[],
  seed: Uint8Array | undefined,
): Columns<Name> {
  const values: Partial<Record<ColumnName, ValueOf<ColumnName>>> = {}
  for (const name of want) {
    if (name === 'threading') values[name] = toThreading(rows, seed!)
    else if (isNumber.has(name))
      values[name] = Float64Array.from(rows, (row) => row[name as NumberColumn] ?? Number.NaN)
    else {
      const texts = rows.map((row) => row[name as TextColumn]!)
      values[name] = toTexts(isSortKey.has(name) ? texts.map(toCollation) : texts)
    }
  }
  return { uids: Uint32Array.from(rows, ({ uid }) => uid), values: values as Columns<Name>['values'] }
}

function toTexts(all: readonly string[]): Texts {
  const places = new Map<string, number>()
  for (const text of all) places.set(text, 0)
  const texts = [...places.keys()].sort()
  for (const [place, text] of texts.entries()) places.set(text, place)
  return { texts, places: Uint16Array.from(all, (text) => places.get(text)!) }
}

/** Columns of messages that follow each other, as one. */
export function joinColumns<Name extends ColumnName>(
  pieces: readonly Columns<Name>[],
  want: readonly Name[],
): Columns<Name> {
  const values: Partial<Record<ColumnName, ValueOf<ColumnName>>> = {}
  for (const name of want) {
    const parts = pieces.map((piece) => piece.values[name]) as readonly ValueOf<ColumnName>[]
    if (isNumber.has(name)) values[name] = joinNumbers(parts as readonly Float64Array[])
    else if (name === 'threading') values[name] = joinThreading(parts as readonly Threading[])
    else
      values[name] = toTexts(
        (parts as readonly Texts[]).flatMap(({ texts, places }) => Array.from(places, (at) => texts[at]!)),
      )
  }
  return { uids: Uint32Array.from(pieces.flatMap(({ uids }) => [...uids])), values: values as Columns<Name>['values'] }
}

/** About how many bytes the value takes where it is kept. */
export function sizeOfValue(value: ValueOf<ColumnName>): number {
  if (value instanceof Float64Array) return value.byteLength
  if ('places' in value) return value.texts.reduce((sum, { length }) => sum + length, 0)
  return value.refs.byteLength
}

/** The name under which the UIDs of a block are kept. */
export const uidsName = 'uids'
export const bytesOfUid = 2
/** A fact that takes more in a block (long subjects, many references) is not kept: the rows are read. */
export const maxBytes = 512 * 1024
export const tooLong = new Uint8Array(0)

/** The columns of one block as they are kept. */
export function encodeColumns({ uids, values }: Columns<ColumnName>, want: readonly ColumnName[]) {
  const facts = new Map<string, Uint8Array>([[uidsName, bytesOf(Uint16Array.from(uids, (uid) => uid % blockSize))]])
  for (const name of want) {
    const data = encodeValue(values[name])
    facts.set(name, data.length > maxBytes ? tooLong : data)
  }
  return facts
}

function encodeValue(value: ValueOf<ColumnName>): Uint8Array {
  if (value instanceof Float64Array) return bytesOf(value)
  if ('places' in value) return Buffer.concat([bytesOf(value.places), Buffer.from(JSON.stringify(value.texts))])
  return bytesOf(encodeThreading(value))
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array | Uint16Array) =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** The columns of a block; undefined when not all that is wanted is kept. */
export function decodeColumns<Name extends ColumnName>(
  block: number,
  kept: (name: string) => Uint8Array | undefined,
  want: readonly Name[],
): Columns<Name> | undefined {
  const slots = kept(uidsName)
  if (!slots) return undefined
  const uids = Uint32Array.from(new Uint16Array(aligned(slots)), (slot) => block * blockSize + slot)
  const values: Partial<Record<ColumnName, ValueOf<ColumnName>>> = {}
  for (const name of want) {
    const data = kept(name)
    if (!data || data.length === 0) return undefined
    if (isNumber.has(name)) values[name] = new Float64Array(aligned(data))
    else if (name === 'threading') values[name] = decodeThreading(new Float64Array(aligned(data)), uids.length)
    else values[name] = decodeTexts(data, uids.length)
  }
  return { uids, values: values as Columns<Name>['values'] }
}

function decodeTexts(data: Uint8Array, count: number): Texts {
  return {
    places: new Uint16Array(aligned(data), 0, count),
    texts: JSON.parse(toBuffer(data).toString('utf8', count * 2)) as string[],
  }
}

/** Memory that begins with these bytes. */
const aligned = ({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBufferLike =>
  byteOffset === 0 && byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
