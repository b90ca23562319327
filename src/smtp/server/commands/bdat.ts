// BDAT: the message in counted chunks (CHUNKING). Chunks that are not wanted are read and thrown away: they are no commands.

import { LineWatch, reply } from '../../wire/index.ts'
import { Intake } from '../intake.ts'
import { replies, wrongState } from '../replies.ts'
import type { Session, State } from '../types.ts'
import { command } from './command.ts'
import { withoutMail } from './reset.ts'

const pieceSize = 65_536
/** The lines of a message across its chunks. */
const watches = new WeakMap<Intake, LineWatch>()

export const bdat = command({
  verb: 'BDAT',
  rfc: 'RFC 3030 §2',
  syntax: 'BDAT size [LAST]',
  states: ['new', 'greeted', 'mail', 'rcpt', 'bdat'],
  bytesFollow: true,
  capabilities: () => ['CHUNKING'],
  parse(line) {
    const size = line.sp().number()
    const last = !line.atEnd()
    if (last && line.sp().token().toUpperCase() !== 'LAST') line.fail('LAST was expected')
    line.end()
    return { size, last }
  },
  async proceed(session, { size, last }, state) {
    if (state.name !== 'rcpt' && state.name !== 'bdat') {
      if (await discard(session, size))
        session.reply(state.name === 'mail' ? replies.noRecipients : wrongState[state.name])
      return state
    }
    const intake = state.name === 'bdat' ? state.intake : new Intake(session, state.mail)
    if (!(await feed(session, intake, size))) {
      await intake.abort('the connection ended')
      return withoutMail(state)
    }
    if (last) return finish(session, intake, state)
    if (intake.refusal) {
      session.reply(intake.refusal)
      return withoutMail(state)
    }
    session.reply(reply(250, '2.0.0', `${size} octets received`))
    return { name: 'bdat', helo: state.helo, extended: state.extended, mail: state.mail, intake }
  },
})

async function finish(session: Session, intake: Intake, state: State): Promise<State> {
  const watch = watches.get(intake)
  watch?.end()
  if (watch) await intake.heed(watch)
  for (const answer of await intake.finish()) session.reply(answer)
  return withoutMail(state)
}

/** Passes a chunk on; false when the connection is over before its end. */
async function feed(session: Session, intake: Intake, size: number): Promise<boolean> {
  let watch = watches.get(intake)
  if (!watch) watches.set(intake, (watch = new LineWatch()))
  for (let left = size; left > 0; ) {
    const piece = await session.readChunk(Math.min(left, pieceSize))
    if (!piece) return false
    left -= piece.length
    watch.push(piece)
    await intake.write(piece)
    await intake.heed(watch)
    if (intake.hopeless) return hangUp(session)
  }
  return true
}

/** RFC 3030 §2: a chunk that comes at the wrong time is received all the same, and dropped. */
async function discard(session: Session, size: number): Promise<boolean> {
  if (size > session.limits.maxMessageSize) return hangUp(session)
  for (let left = size; left > 0; ) {
    const piece = await session.readChunk(Math.min(left, pieceSize))
    if (!piece) return false
    left -= piece.length
  }
  return true
}

function hangUp(session: Session): false {
  session.reply(replies.tooBig)
  session.end()
  return false
}
