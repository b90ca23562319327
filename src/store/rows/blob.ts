// Which contents nobody needs any more, and which files belong to a content.

import type { ContentId } from '../../base/index.ts'
import { oneOf, skipLocked, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** Contents that stand in files, by id after `after`, 1,000 per page. */
export function contentsWithFile(tx: Reader, after: number): Promise<{ id: ContentId; file: string }[]> {
  return tx.all(sql`SELECT id, file FROM content WHERE id > ${after} AND file IS NOT NULL ORDER BY id LIMIT 1000`)
}

/** Those of the given files (≤ 1,000) that a content names. */
export async function filesInUse(tx: Reader, files: readonly string[]): Promise<Set<string>> {
  if (files.length === 0) return new Set()
  const rows = await tx.all<{ file: string }>(sql`SELECT file FROM content WHERE file ${oneOf(tx, files)} LIMIT 1000`)
  return new Set(rows.map(({ file }) => file))
}

const unreferenced = sql`
  NOT EXISTS (SELECT 1 FROM message WHERE message.content = content.id)
  AND NOT EXISTS (SELECT 1 FROM queue_message WHERE queue_message.content = content.id)
  AND NOT EXISTS (SELECT 1 FROM quarantine WHERE quarantine.content = content.id)
  AND NOT EXISTS (SELECT 1 FROM job WHERE job.content = content.id)`

export interface SweptPage {
  readonly deleted: number
  /** Files that are to be unlinked, but only after this transaction is durable. */
  readonly files: readonly string[]
  /** Where the next page begins; undefined at the end. */
  readonly next: number | undefined
}

/** How many contents are looked at, and how many deleted, in one transaction. */
const lookedAt = 500
const deletedAtOnce = 50

/**
 * Looks at the next contents after `after` and deletes those that nobody refers to. A content is locked before it is looked at
 * the second time, so that somebody who just found it by its hash (and holds it, see keepLocked) is not robbed of it.
 */
export async function sweepContentPage(tx: Writer, after: number): Promise<SweptPage> {
  const page = await tx.all<{ id: ContentId }>(
    sql`SELECT id FROM content WHERE id > ${after} ORDER BY id LIMIT ${lookedAt}`,
  )
  const last = page.at(-1)?.id
  if (last === undefined) return { deleted: 0, files: [], next: undefined }
  const candidates = await tx.all<{ id: ContentId }>(
    sql`SELECT id FROM content WHERE id > ${after} AND id <= ${last} AND ${unreferenced}
        ORDER BY id LIMIT ${deletedAtOnce} ${skipLocked(tx)}`,
  )
  const ids = candidates.map(({ id }) => id)
  const next = ids.length === deletedAtOnce ? ids.at(-1) : page.length === lookedAt ? last : undefined
  if (ids.length === 0) return { deleted: 0, files: [], next }
  const gone = await tx.all<{ id: ContentId; file: string | null }>(
    sql`DELETE FROM content WHERE id ${oneOf(tx, ids)} AND ${unreferenced} RETURNING id, file`,
  )
  const goneIds = gone.map(({ id }) => id)
  await tx.run(sql`DELETE FROM content_data WHERE content ${oneOf(tx, goneIds)}`)
  return { deleted: gone.length, files: gone.flatMap(({ file }) => (file === null ? [] : [file])), next }
}
