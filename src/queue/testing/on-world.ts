// Tests of the queue on a database of each kind.

import { onDatabase } from '../../../test/stores.ts'
import { openWorld, type World } from './world.ts'

/** A test with a world of its own on a new, empty database of this kind. */
export function onWorld(dialect: World['store']['dialect'], name: string, work: (world: World) => Promise<void>): void {
  onDatabase(dialect, name, async (_t, url) => {
    const world = await openWorld(url)
    try {
      await work(world)
    } finally {
      await world.close()
    }
  })
}
