// First in, first out, without moving what stands behind.

export interface Fifo<T> {
  readonly length: number
  push(item: T): void
  shift(): T | undefined
}

export function createFifo<T>(): Fifo<T> {
  let items: (T | undefined)[] = []
  let head = 0
  return {
    get length() {
      return items.length - head
    },
    push(item) {
      items.push(item)
    },
    shift() {
      if (head === items.length) return undefined
      const item = items[head]
      items[head++] = undefined
      // Half of it is gone: then it costs no more than what was shifted.
      if (head > 32 && head * 2 > items.length) {
        items = items.slice(head)
        head = 0
      }
      return item
    },
  }
}
