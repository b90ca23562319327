// Folders whose names survive a power cut: a sync of what is in a folder does not cover the folder's own name.

import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes the folder (0700), and those above it, when missing. Its name is on stable storage then. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  // One that was there may have been made by a process that died at once; but what is above it may be another's, unreadable or without syncs.
  if (first === undefined) await syncFolder(dirname(path)).catch(() => {})
  else for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

/** The names in the folder are on stable storage then. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
