// Rows of fetch_block: columns of 64 messages each, as mail packs them. Knows no packing.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** Columns by number: kept numbers never change their meaning. */
export const parts = { facts: 0, envelope: 1, bodystructure: 2, fields: 3 } as const
export type Part = keyof typeof parts

export interface PartRow {
  readonly block: number
  readonly part: number
  readonly data: Uint8Array
}

/** Blocks that are read at once: some hundred kilobytes. */
export const blocksAtOnce = 4

/** Some parts of the (at most `blocksAtOnce`) blocks `from` … `to`, by block. */
export function load(
  tx: Reader,
  mailbox: number,
  from: number,
  to: number,
  wanted: readonly Part[],
): Promise<PartRow[]> {
  const numbers = wanted.map((part) => parts[part])
  return tx.all<PartRow>(sql`
    SELECT block, part, data FROM fetch_block
    WHERE mailbox = ${mailbox} AND block >= ${from} AND block <= ${to} AND part ${oneOf(tx, numbers)}
    ORDER BY block LIMIT 16`)
}

/** The facts of the (at most 400) blocks after `after` up to `last`. */
export function facts(
  tx: Reader,
  mailbox: number,
  after: number,
  last: number,
): Promise<{ block: number; data: Uint8Array }[]> {
  return tx.all(sql`
    SELECT block, data FROM fetch_block
    WHERE mailbox = ${mailbox} AND block > ${after} AND block <= ${last} AND part = ${parts.facts} ORDER BY block LIMIT 400`)
}

export function save(tx: Writer, mailbox: number, block: number, part: Part, data: Uint8Array): Promise<number> {
  return tx.run(sql`
    INSERT INTO fetch_block (mailbox, block, part, data) VALUES (${mailbox}, ${block}, ${parts[part]}, ${data})
    ON CONFLICT (mailbox, block, part) DO UPDATE SET data = excluded.data`)
}

export function remove(tx: Writer, mailbox: number, block: number): Promise<number> {
  return tx.run(sql`DELETE FROM fetch_block WHERE mailbox = ${mailbox} AND block = ${block}`)
}

/** At most 50 blocks of a mailbox that is being swept. */
export function sweep(tx: Writer, mailbox: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM fetch_block WHERE mailbox = ${mailbox}
      AND block IN (SELECT DISTINCT block FROM fetch_block WHERE mailbox = ${mailbox} LIMIT 50)`)
}
