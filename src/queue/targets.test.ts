import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zoneResolver } from '../dns/index.ts'
import { parseRoute } from './route.ts'
import { findTargets } from './targets.ts'

const dns = zoneResolver(`
a.test MX 20 mx2.a.test
a.test MX 10 mx1.a.test
mx1.a.test A 192.0.2.1
mx1.a.test AAAA 2001:db8::1
mx2.a.test A 192.0.2.2
bare.test A 192.0.2.3
null.test MX 0 .
alias.test MX 10 www.alias.test
www.alias.test CNAME mx1.a.test
backup.test MX 10 mx1.a.test
backup.test MX 20 us.test
backup.test MX 30 mx2.a.test
backup2.test MX 10 mx2.a.test
backup2.test MX 20 us-too.test
us-too.test A 192.0.2.99
us.test A 192.0.2.99
loop.test MX 10 us.test
loop2.test A 192.0.2.99
dead.test MX 10 nowhere.test
half.test MX 10 nowhere.test
half.test MX 20 broken.test
broken.test SERVFAIL
silent.test TIMEOUT
ip.test MX 10 192.0.2.5
empty.test TXT "nothing here"
${Array.from({ length: 30 }, (_, i) => `many.test MX 10 h${i}.many.test\nh${i}.many.test A 192.0.3.${i}`).join('\n')}
equal.test MX 10 mx1.a.test
equal.test MX 10 mx2.a.test
`)
const options = { dns, own: new Set(['us.test', '192.0.2.99']), port: 25 }

async function find(domain: string, route?: string): Promise<string> {
  const found = await findTargets(options, domain, route === undefined ? undefined : parseRoute(route))
  if ('problem' in found) return `${found.problem.permanent ? 'never' : 'later'} ${found.problem.status}`
  return found.targets.map(({ host, ip, port }) => `${host}=${ip}:${port}`).join(' ')
}

test('domains', async () => {
  const table: readonly [string, string][] = [
    ['a.test', 'mx1.a.test=192.0.2.1:25 mx1.a.test=2001:db8::1:25 mx2.a.test=192.0.2.2:25'],
    ['bare.test', 'bare.test=192.0.2.3:25'],
    ['alias.test', 'www.alias.test=192.0.2.1:25 www.alias.test=2001:db8::1:25'],
    ['ip.test', '192.0.2.5=192.0.2.5:25'],
    ['null.test', 'never 5.1.10'],
    ['nobody.test', 'never 5.1.2'],
    ['dead.test', 'never 5.4.4'],
    ['empty.test', 'never 5.4.4'],
    ['half.test', 'later 4.4.3'],
    ['broken.test', 'later 4.4.3'],
    ['silent.test', 'later 4.4.3'],
    ['[192.0.2.7]', '[192.0.2.7]=192.0.2.7:25'],
    ['[IPv6:2001:db8::7]', '[IPv6:2001:db8::7]=2001:db8::7:25'],
    ['[bogus]', 'never 5.1.2'],
  ]
  for (const [domain, expected] of table) assert.equal(await find(domain), expected, domain)
})

test('we never send to ourselves: only better hosts are tried', async () => {
  assert.equal(await find('backup.test'), 'mx1.a.test=192.0.2.1:25 mx1.a.test=2001:db8::1:25')
  assert.equal(await find('backup2.test'), 'mx2.a.test=192.0.2.2:25')
  for (const domain of ['loop.test', 'loop2.test', '[192.0.2.99]'])
    assert.equal(await find(domain), 'never 5.4.6', domain)
})

test('at most ten addresses; equals in random order', async () => {
  assert.equal((await find('many.test')).split(' ').length, 10)
  const orders = new Set<string>()
  for (let i = 0; i < 40; i++) orders.add(await find('equal.test'))
  assert.equal(orders.size, 2)
})

test('routes go to their host, not to its MX', async () => {
  assert.equal(await find('a.test', '127.0.0.1:2626'), '127.0.0.1=127.0.0.1:2626')
  assert.equal(await find('a.test', 'bare.test:26'), 'bare.test=192.0.2.3:26')
  assert.equal(await find('a.test', 'localhost:26'), 'localhost=127.0.0.1:26 localhost=::1:26')
  assert.equal(await find('a.test', 'nobody.test'), 'later 4.4.4')
})
