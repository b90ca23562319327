// The message of an APPEND on its way from the socket to the spool.

import type { Access, NewContent } from '../../../../mail/index.ts'
import type { LiteralSink } from '../../../wire/index.ts'
import type { MessageSpool } from '../../options.ts'

export class AppendLiteral implements LiteralSink {
  /** Where it goes, as it was found before the bytes came. */
  readonly to: Access
  readonly #spool: MessageSpool

  constructor(to: Access, spool: MessageSpool) {
    this.to = to
    this.#spool = spool
  }

  write(chunk: Buffer): Promise<void> | undefined {
    return this.#spool.write(chunk)
  }

  finish(): Promise<NewContent> {
    return this.#spool.finish()
  }

  abort(): Promise<void> {
    return this.#spool.abort()
  }
}

const WRAPPER = Buffer.from('UTF8 (')

/**
 * Python's imaplib, once it has enabled UTF-8, puts `UTF8 (` and `)` within the literal of `size` bytes instead of around it: they are
 * taken off. No message begins like that.
 */
export function unwrapUtf8(spool: MessageSpool, size: number): MessageSpool {
  let left = size
  let held: Buffer = Buffer.alloc(0)
  let wrapped: boolean | undefined
  return {
    write(chunk) {
      left -= chunk.length
      let bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
      if (wrapped === undefined) {
        if (bytes.length < WRAPPER.length && left > 0) {
          held = bytes
          return undefined
        }
        held = Buffer.alloc(0)
        wrapped = bytes.subarray(0, WRAPPER.length).equals(WRAPPER)
        if (wrapped) bytes = bytes.subarray(WRAPPER.length)
      }
      if (wrapped && left === 0 && bytes[bytes.length - 1] === 0x29) bytes = bytes.subarray(0, -1)
      return spool.write(bytes)
    },
    finish: () => spool.finish(),
    abort: () => spool.abort(),
  }
}
