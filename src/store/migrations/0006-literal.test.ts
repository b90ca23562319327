// A database from before contents were known to be literal is opened with all that it holds: what came before is read by every search.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { ownAccess } from '../../mail/rights.ts'
import { message, openMail } from '../../mail/testing/open.ts'
import { sql } from '../index.ts'

onEachStore('a database without literal ends learns them of what comes', async ({ store, options, open }) => {
  const mail = await openMail(store, options)
  const ann = await mail.addAccount()
  const inbox = await mail.inbox(ann)
  await mail.writes.append(ownAccess(ann, inbox), [{ content: await mail.content(message('before')), flags: [] }])
  await mail.close()
  await store.write('server', async (tx) => {
    await tx.run(sql`ALTER TABLE content DROP COLUMN literal_end`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0006-literal'`)
  })
  await store.close()
  const again = await openMail(await open(), options)
  await again.writes.append(ownAccess(ann, inbox), [{ content: await again.content(message('after')), flags: [] }])
  const both = Uint32Array.of(1, 2)
  assert.deepEqual([...(await again.reads.lacking(inbox, both, 'nowhere', true))], [2])
  assert.deepEqual([...(await again.reads.lacking(inbox, both, 'after', true))], [])
  assert.deepEqual([...(await again.reads.lacking(inbox, both, 'größe', true))], [2])
  assert.deepEqual([...(await again.reads.lacking(inbox, both, ' ', true))], [])
  await again.close()
})
