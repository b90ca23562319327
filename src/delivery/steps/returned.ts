// What comes back is read as a job: the door does not wait for it, and what it teaches is written when it is understood.

import { formatAddress } from '../../address/index.ts'
import type { ContentId } from '../../base/index.ts'
import { enqueueJob } from '../../jobs/index.ts'
import { mayComplain } from '../../queue/index.ts'
import type { Writer } from '../../store/index.ts'
import type { Plan } from './expand.ts'

/** Puts the reading of what came back to a return path, and of complaints, which come to any mailbox. */
export async function putReturned(
  tx: Writer,
  { returned, copies }: Plan,
  content: ContentId,
  trace: string,
  structure = '',
): Promise<void> {
  for (const address of returned) await enqueueJob(tx, 'read-returned', { content, to: formatAddress(address), trace })
  if (returned.length === 0 && copies.length > 0 && mayComplain(structure))
    await enqueueJob(tx, 'read-returned', { content, trace })
}
