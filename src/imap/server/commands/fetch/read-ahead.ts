// The bytes of many messages in the order of a FETCH: those that stand in the database are read some at a time, with one statement.

import type { MailReads, MessageRow } from '../../../../mail/index.ts'

export type MessageBytes = Pick<MailReads, 'bytes' | 'stream'>

/** What is read at once: as much as a slow client makes us hold. */
const AT_ONCE = 256 * 1024
const MOST = 100
/** A longer message is read as it is sent. */
const SMALL = 64 * 1024

/** Reads for `rows`, in their order or the reverse. */
export function createReadAhead(
  reads: MessageBytes & Pick<MailReads, 'wholes'>,
  mailbox: Parameters<MailReads['wholes']>[0],
  rows: readonly MessageRow[],
): MessageBytes {
  const places = new Map(rows.length > 1 ? rows.map(({ uid }, place) => [uid, place]) : [])
  let held = new Map<number, Buffer>()
  let last = -1

  /** The message and those behind it in the order in which they are asked for. */
  const readFrom = async (place: number): Promise<void> => {
    const step = last > place ? -1 : 1
    const uids: number[] = []
    let bytes = 0
    for (let at = place; uids.length < MOST; at += step) {
      const row = rows[at]
      if (!row || bytes + row.size > AT_ONCE) break
      if (isSmall(row)) {
        uids.push(row.uid)
        bytes += row.size
      }
    }
    if (step < 0) uids.reverse()
    held = new Map((await reads.wholes(mailbox, uids)).map((found) => [found.uid, found.bytes]))
  }

  return {
    async bytes(row, start, end) {
      const place = places.get(row.uid)
      if (place === undefined || !isSmall(row)) return reads.bytes(row, start, end)
      if (!held.has(row.uid)) await readFrom(place)
      last = place
      return held.get(row.uid)?.subarray(Math.max(0, start), end) ?? reads.bytes(row, start, end)
    },
    stream: (row, start, end) => reads.stream(row, start, end),
  }
}

const isSmall = ({ file, size }: MessageRow) => file === undefined && size <= SMALL
