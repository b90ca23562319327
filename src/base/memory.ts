// Buffers that only pass through: V8 lets 64 MiB of them lie before it collects, for it sees how small their handles are.

const bulkBytes = 8 * 1024 * 1024
let since = 0

/** Notes bytes that passed through this thread in buffers of their own; every 8 MiB the young ones are given back (bin/posthorn lends the means). */
export function notePassing(bytes: number): void {
  since += bytes
  if (since < bulkBytes) return
  since = 0
  globalThis.gc?.({ type: 'minor', execution: 'sync' })
}
