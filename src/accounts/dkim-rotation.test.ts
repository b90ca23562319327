import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { onEachStore } from '../../test/stores.ts'
import { createSealer, fakeClock, silentLog } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { domainRows } from '../store/index.ts'
import { createDkimAdmin, tendDkimKeys } from './index.ts'

const day = 24 * 3_600_000
const clock = fakeClock()

onEachStore(
  'a key waits for its record, signs, is followed by another, retires and goes',
  async ({ store }) => {
    const admin = createDkimAdmin({ store, sealer: createSealer(randomBytes(32)) })
    const id = await store.write('server', (tx) => domainRows.insert(tx, { name: 'a.test', aliasOf: null }))
    await store.write('server', (tx) => domainRows.setSettings(tx, id, JSON.stringify({ dkimRotation: 180 })))
    let zone = ''
    const tend = () =>
      tendDkimKeys({ store, admin, dns: { txt: (name) => zoneResolver(zone).txt(name) }, clock, log: silentLog })
    const states = async () => (await admin.list('a.test')).map(({ selector, state }) => `${selector} ${state}`)
    const publish = async () => {
      const keys = await admin.list('a.test')
      zone = keys.map(({ name, record }) => `${name} TXT "${record}"`).join('\n')
    }

    await admin.add('a.test', 'ed25519', 'one')
    await tend()
    assert.deepEqual(await states(), ['one waiting'], 'not published')
    zone = 'one._domainkey.a.test TXT "v=DKIM1; k=ed25519; p=AAAA"'
    await tend()
    assert.deepEqual(await states(), ['one waiting'], 'another key is published')
    await publish()
    await tend()
    assert.deepEqual(await states(), ['one active'])
    await clock.advance(179 * day)
    await tend()
    assert.deepEqual(await states(), ['one active'])

    await clock.advance(2 * day)
    await tend()
    const [, next] = await admin.list('a.test')
    assert.equal(next?.state, 'waiting')
    await tend()
    assert.equal((await states()).length, 2, 'one successor is enough')
    assert.equal((await states())[0], 'one active', 'the old one signs until the new one can')
    await publish()
    await tend()
    assert.deepEqual(await states(), ['one retired', `${next.selector} active`])
    await clock.advance(29 * day)
    await tend()
    assert.equal((await states()).length, 2)
    await clock.advance(2 * day)
    await tend()
    assert.deepEqual(await states(), [`${next.selector} active`])
  },
  { clock },
)
