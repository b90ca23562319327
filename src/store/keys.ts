// Keys for what this server signs to itself; the rows know how they are kept.

import * as metaRows from './rows/meta.ts'
import type { Store } from './types.ts'

/** The key of this name, the same for all nodes on this store; made when it is first asked for. */
export async function loadKey(store: Store, name: string): Promise<Buffer> {
  const known = await store.read((tx) => metaRows.findKey(tx, name))
  return known ?? store.write('server', (tx) => metaRows.ensureKey(tx, name))
}
