// What stands in the queue, as tests want to see it.

import { type Store, sql } from '../../store/index.ts'

export interface QueueRow {
  readonly message: number
  readonly content: number
  readonly sender: string | null
  readonly prefix: string
  readonly address: string
  readonly kind: string
  readonly reason: string
  readonly params: string
}

export async function queueOf(store: Store): Promise<QueueRow[]> {
  const rows = await store.read((tx) =>
    tx.all<Omit<QueueRow, 'prefix'> & { prefix: Uint8Array }>(
      sql`SELECT m.id AS message, m.content, m.sender, m.prefix, r.address, r.kind, r.reason, r.params
        FROM queue_recipient r JOIN queue_message m ON m.id = r.message ORDER BY r.id LIMIT 1000`,
    ),
  )
  return rows.map((row) => ({ ...row, prefix: Buffer.from(row.prefix).toString().replaceAll('\r\n', '\n') }))
}

/** The JSON of what stays with a queued message. */
export async function queueParamsOf(store: Store, message: number): Promise<string | undefined> {
  const row = await store.read((tx) =>
    tx.get<{ params: string }>(sql`SELECT params FROM queue_message WHERE id = ${message}`),
  )
  return row?.params
}
