// ENVELOPE and BODYSTRUCTURE for a client that enabled UTF-8: they are stored 7-bit, and are written anew where that changed something.

import type { MailReads, MessageRow } from '../../../../mail/index.ts'
import { createScanner, type Part, scanLimits } from '../../../../mime/index.ts'
import { formatBodyStructure, formatEnvelope } from '../../../wire/index.ts'

/** The row with its texts in UTF-8; itself when nothing in it was encoded by us. */
export async function inUtf8(
  reads: Pick<MailReads, 'bytes' | 'rows'>,
  mailbox: Parameters<MailReads['rows']>[0],
  row: MessageRow,
): Promise<MessageRow> {
  const { envelope = '', bodystructure = '' } = row
  if (!row.has8bit || !(isEncoded(envelope) || isEncoded(bodystructure))) return row
  const structure =
    row.structure ?? (await reads.rows(mailbox, [[row.uid, row.uid]], { structure: true }))[0]?.structure
  if (!structure) return row
  return {
    ...row,
    ...(isEncoded(envelope) ? { envelope: formatEnvelope(await readEnvelope(reads, row, structure), true) } : {}),
    ...(isEncoded(bodystructure) ? { bodystructure: formatBodyStructure(structure, true, true) } : {}),
  }
}

/** How `formatText` and `formatParams` write what is beyond ASCII. A sender may have written the same: then nothing is lost. */
const isEncoded = (text: string) => text.includes('=?utf-8?B?') || text.includes("utf-8''")

async function readEnvelope(reads: Pick<MailReads, 'bytes'>, row: MessageRow, { body }: Part) {
  const { prefixSize } = row
  const scanner = createScanner()
  scanner.write(await reads.bytes(row, prefixSize, prefixSize + Math.min(body, scanLimits.headerBytes)))
  return scanner.end().envelope
}
