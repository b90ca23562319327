// Rows of flag_block: read and written whole, under the account's lock.

import { decodeBlock, encodeBlock, type PackedBlock } from '../flag-block.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** A block is at most 3.6 KB, so that 256 of them stay under the megabyte that a statement may return. */
export const blocksPerPage = 256

interface Row {
  readonly block: number
  readonly data: Uint8Array
}

/** One block to be written, with room for 256 slots. */
export async function load(tx: Reader, mailbox: number, block: number): Promise<PackedBlock | undefined> {
  const row = await tx.get<Row>(sql`
    SELECT block, data FROM flag_block WHERE mailbox = ${mailbox} AND block = ${block}`)
  return row && decodeBlock(row.block, row.data, true)
}

/** Blocks from … to, ascending, one page, to be written. */
export async function range(tx: Reader, mailbox: number, from: number, to: number): Promise<PackedBlock[]> {
  const rows = await tx.all<Row>(sql`
    SELECT block, data FROM flag_block WHERE mailbox = ${mailbox} AND block >= ${from} AND block <= ${to}
    ORDER BY block LIMIT 256`)
  return rows.map((row) => decodeBlock(row.block, row.data, true))
}

/** Blocks after `after` whose modseq is above `since`, ascending, one page. */
export async function changedSince(tx: Reader, mailbox: number, since: number, after: number): Promise<PackedBlock[]> {
  const rows = await tx.all<Row>(sql`
    SELECT block, data FROM flag_block WHERE mailbox = ${mailbox} AND block > ${after} AND modseq > ${since}
    ORDER BY block LIMIT 256`)
  return rows.map((row) => decodeBlock(row.block, row.data))
}

/** Blocks after `after`, ascending: 100 of them. */
export async function page(tx: Reader, mailbox: number, after: number): Promise<PackedBlock[]> {
  const rows = await tx.all<Row>(sql`
    SELECT block, data FROM flag_block WHERE mailbox = ${mailbox} AND block > ${after} ORDER BY block LIMIT 100`)
  return rows.map((row) => decodeBlock(row.block, row.data))
}

export function save(tx: Writer, mailbox: number, block: PackedBlock): Promise<number> {
  return tx.run(sql`
    INSERT INTO flag_block (mailbox, block, modseq, data)
    VALUES (${mailbox}, ${block.block}, ${block.modseq}, ${encodeBlock(block)})
    ON CONFLICT (mailbox, block) DO UPDATE SET modseq = excluded.modseq, data = excluded.data`)
}

/** At most 1,000 blocks of a buried mailbox. */
export function sweep(tx: Writer, mailbox: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM flag_block WHERE mailbox = ${mailbox}
      AND block IN (SELECT block FROM flag_block WHERE mailbox = ${mailbox} LIMIT 1000)`)
}
