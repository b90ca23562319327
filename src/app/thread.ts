// Starts a thread of doors. It loads its modules at once, while the core still reads the configuration.

import { Worker } from 'node:worker_threads'

export function spawnDoors(): Worker {
  return new Worker(new URL('./doors.ts', import.meta.url), { name: 'doors', stdout: false, stderr: false })
}
