// Random rights on a mailbox of ann's, and every verb that another user has for it over the wire: what was not granted is refused and has no effect.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { allRights } from '../../mail/index.ts'
import { type ImapClient, openImapWorld } from './testing/world.ts'

type Has = (rights: string) => boolean
type May = (has: Has) => boolean

/** In bob's session, with the mailbox not selected; `$` is its name. */
const closed: { readonly [command: string]: May } = {
  'SELECT $': (has) => has('r'),
  'EXAMINE $': (has) => has('r'),
  'STATUS $ (MESSAGES UNSEEN)': (has) => has('r'),
  'STATUS $ (SIZE DELETED-STORAGE HIGHESTMODSEQ)': (has) => has('r'),
  'APPEND $ {6+}\r\na: b\r\n': (has) => has('i'),
  'CREATE $/New': (has) => has('k'),
  'DELETE $': (has) => has('x'),
  'RENAME $ Mine': () => false,
  'RENAME $ $2': () => false,
  'MYRIGHTS $': (has) => [...'lrikxa'].some(has),
  'GETACL $': (has) => has('a'),
  'LISTRIGHTS $ bob@example.test': (has) => has('a'),
  'SETACL $ bob@example.test +lr': (has) => has('a'),
  'DELETEACL $ bob@example.test': (has) => has('a'),
  'GETMETADATA $ /shared/comment': (has) => has('l') && [...'rswip'].some(has),
  'SETMETADATA $ (/shared/comment "x")': (has) => has('lw'),
  'GETQUOTAROOT $': (has) => has('r'),
}
/** In a session that has it open (which needs "r"). Bob's own INBOX is where copies go. */
const opened: { readonly [command: string]: May } = {
  'FETCH 1 BODY[]': () => true,
  'SEARCH ALL': () => true,
  'STORE 1 +FLAGS (\\Seen)': (has) => has('s'),
  'STORE 1 +FLAGS (\\Deleted)': (has) => has('t'),
  'STORE 1 +FLAGS (\\Flagged word)': (has) => has('w'),
  'STORE 2 FLAGS ()': (has) => [...'swt'].some(has),
  'COPY 1 INBOX': () => true,
  'MOVE 1 INBOX': (has) => has('te'),
  'COPY 1 $': (has) => has('i'),
  'UID MOVE 1:2 $': (has) => has('tei'),
  'REPLACE 1 $ {6+}\r\na: b\r\n': (has) => has('tei'),
  'FETCH 1 BINARY.PEEK[1]': () => true,
  'REPLACE 1 INBOX {6+}\r\na: b\r\n': (has) => has('te'),
  EXPUNGE: (has) => has('e'),
  'UID EXPUNGE 1:9': (has) => has('e'),
  CLOSE: () => true,
}

/** Messages and their flags, the list of rights and the annotations: whatever a verb may have changed. */
async function look(ann: ImapClient, box: string): Promise<string> {
  const lines = [
    ...(await ann.command(`EXAMINE ${box}`)).filter((line) => line.includes('EXISTS') || line.startsWith('x ')),
    ...(await ann.command('FETCH 1:* FLAGS')),
    ...(await ann.command(`GETACL ${box}`)),
    ...(await ann.command(`GETMETADATA ${box} /shared/comment`)),
  ]
  return lines.map((line) => line.replace(/ ?\\Recent/, '')).join('\n')
}

test('over the wire, too, a random sharer comes through with nothing that he was not given', async () => {
  const world = await openImapWorld()
  const [ann, bob] = [world.connect(), world.connect()]
  await ann.login('ann')
  await bob.login('root')
  let round = 0
  const run = async (rights: string, command: string) => {
    const box = `Box${++round}`
    const name = `Shared/ann@example.test/${box}`
    await ann.command(`CREATE ${box}`)
    for (const flags of ['', '(\\Seen \\Deleted) ']) await ann.append(box, 'a: 1\r\n', flags)
    await ann.command(`SETACL ${box} root@example.test "${rights}"`)
    const has: Has = (needed) => [...needed].every((right) => rights.includes(right))
    const may = closed[command] ?? opened[command]!
    const before = await look(ann, box)
    if (command in opened && (await bob.command(`SELECT ${name}`)).at(-1)!.startsWith('x NO')) {
      assert.ok(!has('r'), rights)
      await ann.command(`DELETE ${box}`)
      return
    }
    const answer = (await bob.command(command.replaceAll('$', name))).at(-1)!
    assert.equal(answer.startsWith('x OK'), may(has), `${command} with "${rights}": ${answer}`)
    const after = await look(ann, box)
    if (!may(has)) {
      assert.match(answer, /^x NO \[(NOPERM|NONEXISTENT|TRYCREATE|CANNOT)\]/)
      // Who may not look the mailbox up is not told that there is one.
      if (!rights.includes('l') && !command.startsWith('RENAME') && command in closed)
        assert.match(answer, /^x NO \[(NONEXISTENT|TRYCREATE)\]|^x NO \[NOPERM\] you may not create/)
      assert.equal(after, before, `${command} with "${rights}" changed something`)
    }
    if (command === 'CLOSE' || command === 'FETCH 1 BODY[]')
      assert.equal(after === before, !has(command === 'CLOSE' ? 'e' : 's'), `${command} with "${rights}"`)
    const listed = (await bob.command(`LIST "" ${name}`)).length > 1
    if (!command.startsWith('DELETE') && !command.startsWith('SETACL') && !command.startsWith('RENAME'))
      assert.equal(listed, has('l'))
    if (command.startsWith('STATUS')) {
      const search = await bob.command(`ESEARCH IN (mailboxes ${name} subtree Shared) RETURN (COUNT) ALL`)
      assert.equal(search.length > 1, has('r'), rights)
      assert.equal((await bob.command(`LIST "" ${name} RETURN (STATUS (MESSAGES))`)).length > 2, has('lr'))
    }
    // Nothing stays open for the next.
    await bob.command('EXAMINE Nothing')
    await ann.command('EXAMINE INBOX')
    for (const gone of [`${box}/New`, box]) await ann.command(`DELETE ${gone}`)
  }
  const commands = [...Object.keys(closed), ...Object.keys(opened)]
  const rights = fc.subarray([...allRights]).map((letters) => letters.join(''))
  try {
    for (const command of commands) for (const all of ['', allRights]) await run(all, command)
    await fc.assert(fc.asyncProperty(rights, fc.constantFrom(...commands), run), { numRuns: 200, verbose: 1 })
  } finally {
    await world.close()
  }
})
