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
