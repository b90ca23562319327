// For the tests of mail: each on both databases.

import { type BenchOptions, onEachStore } from '../../../test/stores.ts'
import { type Mail, openMail } from './open.ts'

export { type Mail, message } from './open.ts'

/** Runs the test on SQLite and on PostgreSQL, each with a store of its own. */
export function testMail(name: string, run: (mail: Mail) => Promise<void>, options?: BenchOptions): void {
  onEachStore(
    name,
    async (bench) => {
      const mail = await openMail(bench.store, bench.options)
      try {
        await run(mail)
      } finally {
        await mail.close()
      }
    },
    options,
  )
}
