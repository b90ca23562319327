// How busy the loop of this thread is: for work that gives way to everything else.

/** A watch of this thread's loop: each call gives the share of the time since the last one in which it worked, 0 to 1. */
export function watchLoop(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
