// How many ask one daemon at a time; the others wait in order, until a signal says that it is enough.

export interface Slots {
  /** Resolves when there is room; what it returns gives the room to the next. Rejects with the reason of `signal`. */
  take(signal: AbortSignal): Promise<() => void>
}

export function createSlots(count: number): Slots {
  let free = count
  const waiting = new Set<() => void>()
  const giveBack = () => {
    const [next] = waiting
    if (!next) free++
    else {
      waiting.delete(next)
      next()
    }
  }
  const once = () => {
    let given = false
    return () => {
      if (!given) giveBack()
      given = true
    }
  }
  return {
    async take(signal) {
      signal.throwIfAborted()
      if (free > 0) {
        free--
        return once()
      }
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          waiting.delete(go)
          reject(signal.reason)
        }
        const go = () => {
          signal.removeEventListener('abort', stop)
          resolve()
        }
        waiting.add(go)
        signal.addEventListener('abort', stop, { once: true })
      })
      return once()
    },
  }
}
