// What a domain should publish, and what it publishes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { Installation } from '../server.ts'

interface Line {
  readonly purpose: string
  readonly name: string
  readonly type: string
  readonly value: string
  readonly state?: string
  readonly remark?: string
}

test('posthorn dns: what is asked for, published, is found; what is not is named', async (t) => {
  const server = await Installation.make({
    users: { 'ann@a.test': 'correct horse' },
    config: { hostname: 'mx.a.test' },
  })
  t.after(() => server.remove())
  await server.cliOk('dkim', 'add', 'a.test')
  const wanted: Line[] = JSON.parse(await server.cliOk('dns', 'a.test', '--json'))
  const purposes = [...new Set(wanted.map(({ purpose }) => purpose))]
  assert.deepEqual(purposes, ['MX', 'SPF', 'DKIM', 'DMARC', 'TLSRPT', 'SRV'])
  const text = await server.cliOk('dns', 'a.test')
  assert.match(text, /^a\.test\. 3600 IN MX 10 mx\.a\.test\.$/m)
  assert.match(text, /^_imaps\._tcp\.a\.test\. 3600 IN SRV 0 1 993 mx\.a\.test\.$/m)

  const check = async (zone: string) => {
    const served = await serveZone(zone)
    await server.reconfigure({ dns: { resolver: served.address } })
    const ran = await server.cli('dns', 'a.test', '--check', '--json')
    const shown = await server.cli('dns', 'a.test', '--check')
    await served.close()
    return { code: ran.code, lines: JSON.parse(ran.stdout) as Line[], shown: shown.stdout }
  }
  const published = wanted.map(({ name, type, value }) =>
    type === 'TXT' ? `${name} TXT "${value.slice(0, 200)}" "${value.slice(200)}"` : `${name} ${type} ${value}`,
  )
  const all = await check(['mx.a.test A 192.0.2.1', ...published].join('\n'))
  assert.deepEqual(
    all.lines.filter(({ state }) => state !== 'ok'),
    [],
  )
  assert.equal(all.code, 0)

  const wrong = await check(`
    mx.a.test A 192.0.2.1
    a.test MX 10 mail.elsewhere.test
    a.test TXT "v=spf1 ip4:192.0.2.9 -all"
    a.test TXT "something else"
    _dmarc.a.test TXT "v=DMARC1; p=none"`)
  assert.equal(wrong.code, 1)
  const of = (purpose: string) => wrong.lines.find((line) => line.purpose === purpose)!
  assert.deepEqual(
    [of('MX').state, of('SPF').state, of('DKIM').state, of('DMARC').state],
    ['different', 'different', 'missing', 'ok'],
  )
  assert.match(of('SPF').remark!, /192\.0\.2\.1 of mx\.a\.test may not send: fail/)
  assert.match(wrong.shown, /^MX +a\.test +different +mail goes elsewhere: no MX is mx\.a\.test$/m)
  assert.match(wrong.shown, /a\.test\. MX is now 10 mail\.elsewhere\.test\./)

  const unknown = await server.cli('dns', 'nowhere.test')
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /there is no domain nowhere\.test here/)
})
