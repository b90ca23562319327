// Gives memory back once after work: V8 keeps the nursery that a rush has grown, and collects nothing while nothing is allocated.
// Knows its own thread only.

const lookEveryMs = 2_000
/** Share of the time that the loop works: above, there is work; below, nobody waits for it. */
const busy = 0.03
const idle = 0.02

/** Watches the loop of this thread for as long as the process lives. */
export function tidyWhenIdle(): void {
  // bin/posthorn asks for it; set from within, the flag would make V8 reject its kept code.
  const collect = globalThis.gc
  if (!collect) return
  let last = performance.eventLoopUtilization()
  let worked = true
  setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    if (utilization > busy) worked = true
    else if (worked && utilization < idle) {
      worked = false
      collect()
    }
  }, lookEveryMs).unref()
}
