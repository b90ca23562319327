// Starts a thread of doors. It loads its modules at once, while the core still reads the configuration.

import { Worker } from 'node:worker_threads'
import { entry } from './entry.ts'

export function spawnDoors(): Worker {
  return new Worker(entry('doors'), { name: 'doors', stdout: false, stderr: false })
}
