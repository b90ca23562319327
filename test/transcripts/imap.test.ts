// Every transcript of imap/ against the IMAP door on a real store.

import { join } from 'node:path'
import { listenImap } from '../../src/imap/server/index.ts'
import { openImapWorld } from '../../src/imap/server/testing/world.ts'
import { testCertificate } from './certificate.ts'
import { testTranscripts, type World } from './run.ts'

async function open(settings: Readonly<Record<string, string>>): Promise<World> {
  const number = (name: string) => (settings[name] === undefined ? {} : { [name]: Number(settings[name]) })
  const world = await openImapWorld({
    plaintext: (settings['plaintext'] ?? 'always') as 'always',
    tls: () => (settings['tls'] === 'on' ? testCertificate : undefined),
    proxies: settings['proxies']?.split(',') ?? [],
    limits: {
      failedLoginDelayMs: 0,
      ...number('unauthenticatedPerAddress'),
      ...number('greetedWaitMs'),
      ...number('proxyWaitMs'),
      ...number('progressMs'),
      ...number('appendMessages'),
      ...number('copyMessages'),
      ...number('commandMessages'),
    },
  })
  if (settings['hide'])
    await world.updateAccount('ann@example.test', { settings: { imapHide: settings['hide'].split(',') } })
  const listener = await listenImap(world.server, { host: '127.0.0.1', port: 0, implicitTls: false })
  return {
    door: () => ({ host: '127.0.0.1', port: listener.port }),
    async close() {
      const closed = listener.close()
      await world.close()
      await closed
    },
  }
}

testTranscripts(join(import.meta.dirname, 'imap'), open)
