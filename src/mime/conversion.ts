// Carries out a plan: the message with its parts encoded anew, chunk by chunk.

import type { ConversionPlan, Limit, Step } from './conversion-plan.ts'
import { openEncoder, type PieceEncoder } from './encoders.ts'
import { convertHeader, toLimit } from './header-conversion.ts'
import { openTransfer } from './transfer.ts'

/** The message as the plan has it. `data`: the bytes from which the plan was made. */
export async function* convert(
  { limit, steps }: ConversionPlan,
  data: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, void> {
  let base = 0
  let at = 0
  let worker = openStep(steps[0], limit)
  for await (const chunk of data) {
    while (at < steps.length) {
      const { start, end } = steps[at]!
      const from = Math.max(start - base, 0)
      const to = Math.min(end - base, chunk.length)
      if (to > from) yield* some(worker.write(chunk.subarray(from, to)))
      if (end - base > chunk.length) break
      yield* some(worker.end())
      worker = openStep(steps[++at], limit)
    }
    base += chunk.length
  }
}

function* some(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > 0) yield bytes
}

const nothing = Buffer.alloc(0)

function openStep(step: Step | undefined, limit: Limit): PieceEncoder {
  if (step?.kind === 'encode') {
    const decoder = openTransfer(step.from)
    const encoder = openEncoder(step.to)
    return {
      write: (bytes) => encoder.write(decoder.write(bytes)),
      end: () => Buffer.concat([encoder.write(decoder.end()), encoder.end()]),
    }
  }
  if (step?.kind === 'header') {
    const pieces: Buffer[] = []
    return {
      write(bytes) {
        pieces.push(Buffer.from(bytes))
        return nothing
      },
      end: () => convertHeader(Buffer.concat(pieces), step, limit),
    }
  }
  // What stands between parts is not shown by anybody.
  return { write: (bytes) => toLimit(bytes, limit), end: () => nothing }
}
