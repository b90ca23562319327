// Reports of success that a sender asked for, of mail that reaches mailboxes here: on every database.

import assert from 'node:assert/strict'
import { type Bench, onEachStore } from '../../test/stores.ts'
import type { JobMap } from '../jobs/index.ts'
import { readBounce } from '../smtp/bounces/index.ts'
import type { NotifyOn } from '../smtp/wire/index.ts'
import { sql } from '../store/index.ts'
import type { Envelope } from './index.ts'
import { address, arrival, envelope, openHouse } from './testing/house.ts'

/** Reports that wait to be posted: to whom, and `action address` of each recipient. */
async function reports({ store }: Bench): Promise<string[]> {
  const rows = await store.read((tx) =>
    tx.all<{ payload: string; data: Uint8Array }>(
      sql`SELECT job.payload, d.data FROM job JOIN content_data d ON d.content = job.content WHERE job.name = 'post' ORDER BY job.id LIMIT 100`,
    ),
  )
  return rows.map(({ payload, data }) => {
    const found = readBounce(Buffer.from(data))
    assert.ok(found.kind === 'bounce')
    const said = found.recipients.map(
      (one) => `${one.action} ${one.address}${one.original ? ` was ${one.original}` : ''}`,
    )
    return `${(JSON.parse(payload) as JobMap['post']).to.join()}: ${said.join(', ')}; ${found.envelopeId}; ${found.messageId}`
  })
}

const text = 'From: Eve <eve@else.test>\nMessage-ID: <m7@else.test>\nSubject: hi\n\nhello\n'
const asking = (
  to: readonly string[],
  notify: readonly NotifyOn[] | undefined,
  more: Partial<Envelope> = {},
): Envelope =>
  envelope('eve@else.test', [], {
    to: to.map((one) => ({ address: address(one), params: notify ? { notify } : {} })),
    params: { envid: 'e1' },
    ...more,
  })

onEachStore('who asked hears of a delivery, once and in its transaction; who did not hears nothing', async (bench) => {
  const house = await openHouse(bench)
  const anna = await house.user('anna')
  await house.user('ben')
  await house.writes.addAlias('info@a.test', ['anna@a.test'])
  const send = async (mail: Envelope) => house.delivery.receive(arrival(), mail, await house.content(text))
  await send(asking(['anna@a.test'], undefined))
  await send(asking(['anna@a.test'], []))
  await send(asking(['anna@a.test'], ['failure', 'delay']))
  await send(asking(['anna@a.test'], ['success'], { from: null }))
  assert.deepEqual(await reports(bench), [])
  await send(asking(['anna@a.test', 'ben@a.test'], ['success']))
  // One user, two names: he gets one copy, and the sender hears of both names.
  await send(asking(['info@a.test', 'anna@a.test'], ['success', 'failure']))
  assert.deepEqual(await reports(bench), [
    'eve@else.test: delivered anna@a.test, delivered ben@a.test; e1; m7@else.test',
    'eve@else.test: delivered info@a.test, delivered anna@a.test; e1; m7@else.test',
  ])
  assert.equal((await house.messages(anna)).length, 6)
  await house.close()
})

onEachStore(
  'a name of several is told of as expanded, and its members report no success (RFC 3461 §5.2.7)',
  async (bench) => {
    const house = await openHouse(bench)
    await house.user('anna')
    await house.user('ben')
    await house.writes.updateAccount('ben@a.test', { settings: { forward: ['ben@else.test'] } })
    await house.writes.addAlias('all@a.test', ['anna@a.test', 'x@else.test'])
    await house.writes.addAlias('out@a.test', ['y@else.test'])
    const to = ['all@a.test', 'ben@a.test', 'out@a.test']
    await house.delivery.receive(arrival(), asking(to, ['success', 'delay']), await house.content(text))
    await house.delivery.receive(arrival(), asking(['all@a.test'], ['success']), await house.content(text))
    assert.deepEqual(await reports(bench), [
      'eve@else.test: expanded all@a.test, expanded ben@a.test; e1; m7@else.test',
      'eve@else.test: expanded all@a.test; e1; m7@else.test',
    ])
    const rows = await house.queued()
    assert.deepEqual(
      rows.map(({ address: to, params }) => [to, JSON.parse(params).notify]),
      [
        ['x@else.test', ['delay']],
        ['ben@else.test', ['delay']],
        ['y@else.test', ['success', 'delay']],
        // Not a word more: NEVER.
        ['x@else.test', []],
      ],
    )
    await house.close()
  },
)

onEachStore('a copy without room is reported when it has found some', async (bench) => {
  const house = await openHouse(bench)
  await house.user('full', { quotaMessages: 0 })
  await house.delivery.receive(arrival(), asking(['full@a.test'], ['success']), await house.content(text))
  assert.deepEqual(await reports(bench), [])
  const [row] = await house.queued()
  assert.deepEqual(JSON.parse(row!.params).notify, ['success'])
  await house.close()
})

onEachStore(
  'a message too large for the database is reported with its header, and a header that is none breaks nothing',
  async (bench) => {
    const house = await openHouse(bench)
    await house.user('anna')
    for (const big of [`${text}${'x\n'.repeat(60_000)}`, `\0\n${'y'.repeat(900)}\n\n`])
      await house.delivery.receive(arrival(), asking(['anna@a.test'], ['success']), await house.content(big))
    assert.deepEqual(await reports(bench), [
      'eve@else.test: delivered anna@a.test; e1; m7@else.test',
      'eve@else.test: delivered anna@a.test; e1; undefined',
    ])
    await house.close()
  },
)
