// What SORT and THREAD read of messages.

import assert from 'node:assert/strict'
import { ownAccess } from './rights.ts'
import { message, testMail } from './testing/store.ts'

testMail('facts are those of the digest, in any combination', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const first = message('Re: [x] Hello', [
    'Cc: Grüße: carl@x.test;',
    'Message-ID: <one@x>',
    'References: <a@x> <b@x>',
    'In-Reply-To: <c@x>',
    'Date: 1 Jan 2020 00:00:00 +0000',
  ])
  const items = [await mail.content(first), await mail.content(message('Bare'))]
  await mail.writes.append(
    ownAccess(account, inbox),
    items.map((content) => ({ content, flags: [], receivedAt: 7000 })),
  )
  const [one, two] = await mail.reads.facts(inbox, [[1, 9]], ['baseSubject', 'sortFrom', 'sortTo', 'sortCc', 'sentAt'])
  assert.deepEqual(
    { ...one },
    {
      uid: 1,
      sentAt: Date.UTC(2020, 0, 1),
      baseSubject: 'hello',
      sortFrom: 'ann',
      sortTo: 'bob',
      sortCc: 'grüße'.normalize('NFKD').replace('ß', 'ss'),
    },
  )
  assert.deepEqual(
    { ...two },
    { uid: 2, sentAt: null, baseSubject: 'bare', sortFrom: 'ann', sortTo: 'bob', sortCc: '' },
  )
  const [named, bare] = await mail.reads.facts(inbox, [[1, 9]], ['refs', 'messageId', 'displayTo', 'displayFrom'])
  assert.deepEqual(
    { ...named },
    {
      uid: 1,
      messageId: 'one@x',
      refs: 'a@x\nb@x\n\nc@x',
      displayFrom: 'ann@example.test',
      displayTo: 'bob@example.test',
    },
  )
  assert.equal(bare!.messageId, null)
  assert.equal(bare!.refs, '')
  const ids = await mail.reads.facts(inbox, [[1, 9]], ['thread', 'receivedAt'])
  assert.deepEqual(
    ids.map(({ message: id, thread, receivedAt }) => [id === thread, receivedAt]),
    [
      [true, 7000],
      [true, 7000],
    ],
  )
})
