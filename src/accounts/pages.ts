// Reads a table whole, a page of 1,000 rows and a transaction at a time.

import type { Reader, ReadStore } from '../store/index.ts'

/** `page` reads the rows after `last`, at most 1,000. */
export async function readAll<R>(
  store: ReadStore,
  page: (tx: Reader, last: R | undefined) => Promise<R[]>,
): Promise<R[]> {
  const rows: R[] = []
  for (;;) {
    const more = await store.read((tx) => page(tx, rows.at(-1)))
    for (const row of more) rows.push(row)
    if (more.length < 1000) return rows
  }
}
