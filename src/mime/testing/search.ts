// For tests: the windows of a message's text, read from bytes in memory.

import { searchBody } from '../search-text.ts'
import type { Part } from '../types.ts'

export function bodyOf(root: Part, bytes: Buffer, window?: number): string[] {
  const windows: string[] = []
  const steps = searchBody(root, window)
  for (let step = steps.next(); !step.done; ) {
    if (typeof step.value === 'string') {
      windows.push(step.value)
      step = steps.next()
    } else step = steps.next(bytes.subarray(...step.value))
  }
  return windows
}
