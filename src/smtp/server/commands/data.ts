// DATA: the message as lines up to a lone dot.

import { DotDecoder, reply } from '../../wire/index.ts'
import { Intake } from '../intake.ts'
import { replies } from '../replies.ts'
import { command } from './command.ts'
import { withoutMail } from './reset.ts'

/** Bytes decoded at once. */
const chunkSize = 65_536
/** More slices than this in a chunk (a text full of dots) are joined, so that the spool is not called per line. */
const manyPieces = 8

export const data = command({
  verb: 'DATA',
  rfc: 'RFC 5321 §4.1.1.4',
  syntax: 'DATA',
  states: ['rcpt'],
  wrong: { mail: replies.noRecipients },
  parse: (line) => line.end(),
  // RFC 3030 §3
  check: (_session, _, { mail }) => (mail.body === 'binarymime' ? replies.binaryByData : undefined),
  async proceed(session, _, state) {
    const intake = new Intake(session, state.mail)
    session.reply(replies.startData)
    await session.flush()
    const decoder = new DotDecoder()
    const pieces: Buffer[] = []
    while (!decoder.ended) {
      const chunk = await session.readChunk(chunkSize)
      if (!chunk) {
        await intake.abort('the connection ended')
        return withoutMail(state)
      }
      const used = decoder.decode(chunk, pieces)
      if (used < chunk.length) session.unread(chunk.subarray(used))
      for (const piece of pieces.length > manyPieces ? [Buffer.concat(pieces)] : pieces) await intake.write(piece)
      pieces.length = 0
      if (decoder.bare || decoder.longest > session.limits.messageLine) await intake.heed(decoder)
      if (intake.hopeless && !decoder.ended) {
        await intake.abort('it took too long or sent too much')
        session.reply(
          intake.refusal === replies.tooBig ? replies.tooBig : reply(421, '4.4.2', 'The message takes too long'),
        )
        session.end()
        return withoutMail(state)
      }
    }
    for (const answer of await intake.finish()) session.reply(answer)
    return withoutMail(state)
  },
})
