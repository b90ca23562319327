// How cost grows, ours alone: with messages in a mailbox, and with mailboxes in an account.

import { fill, imapPhase } from './imap.mjs'
import { Imap, median, meter, now, waitQuiet } from './lib.mjs'

async function withMailboxes(figures, posthorn, count, wait) {
  const user = posthorn.user(150)
  const connection = new Imap('127.0.0.1', posthorn.imap)
  await connection.login(user, 'pass')
  const have = (await connection.timed('LIST "" *')).lines
  const label = `${count} mailboxes`
  let began = now()
  for (let i = have; i < count; i++) await connection.cmd(`CREATE box${i}`)
  figures.add(`CREATE, up to ${label}`, { unit: 'ms' }, 'posthorn', (now() - began) / Math.max(1, count - have))
  const message = [Buffer.from('Subject: x\r\n\r\nx\r\n')]
  const commands = {
    [`LIST, ${label}`]: () => connection.timed('LIST "" *'),
    [`LIST with STATUS, ${label}`]: () => connection.timed('LIST "" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))'),
    [`SELECT, ${label}`]: () => connection.timed(`SELECT box${count - 1}`),
    [`CREATE and DELETE one, ${label}`]: async () => {
      began = now()
      await connection.cmd('CREATE another')
      await connection.cmd('DELETE another')
      return { ms: now() - began }
    },
    [`APPEND one, ${label}`]: async () => {
      began = now()
      await connection.append(`box${count - 1}`, message, true)
      return { ms: now() - began }
    },
  }
  for (const [figure, command] of Object.entries(commands)) {
    await waitQuiet(wait)
    const noise = meter(posthorn.pids)
    for (let i = 0; i < 3; i++) await command()
    const took = []
    for (let i = 0; i < 11; i++) took.push((await command()).ms)
    figures.add(figure, { unit: 'ms' }, 'posthorn', median(took), noise().foreign)
    figures.say(figure)
  }
  await connection.logout()
}

export async function growthPhase({ figures, posthorn, counts, wait }) {
  for (const n of counts) await imapPhase({ figures, sides: [posthorn], reps: 1, n, wait })
  await fill(posthorn, 'warm', 2_000, 150)
  for (const count of [10, 100, 1_000, 10_000]) await withMailboxes(figures, posthorn, count, wait)
}
