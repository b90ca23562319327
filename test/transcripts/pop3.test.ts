// Every transcript of pop3/ against the POP3 door on a real store. `D:` lines say what INBOX holds when it has changed.

import { join } from 'node:path'
import { listenPop3 } from '../../src/pop3/index.ts'
import { openPop3World } from '../../src/pop3/testing/world.ts'
import { testCertificate } from './certificate.ts'
import { testTranscripts, type World } from './run.ts'

const messages = [
  'From: eve@example.test\r\nSubject: one\r\n\r\nfirst line\r\n.second line\r\n..third\r\n',
  'Subject: two\r\n\r\nno line end',
  'Subject: three\r\n\r\n',
]

async function open(settings: Readonly<Record<string, string>>): Promise<World> {
  const number = (name: string) => (settings[name] === undefined ? {} : { [name]: Number(settings[name]) })
  const world = await openPop3World({
    plaintext: (settings['plaintext'] ?? 'always') as 'always',
    proxies: settings['proxies']?.split(',') ?? [],
    tls: () => (settings['tls'] === 'on' ? testCertificate : undefined),
    limits: {
      ...number('perAddress'),
      ...number('greetedWaitMs'),
      ...number('idleMs'),
      ...number('proxyWaitMs'),
      ...number('badCommands'),
    },
  })
  await world.append(...messages)
  const at = { host: '127.0.0.1', port: 0 }
  const plain = await listenPop3(world.server, { ...at, implicitTls: false })
  const secure = await listenPop3(world.server, { ...at, implicitTls: true })
  return {
    door: (name) => ({ host: '127.0.0.1', port: name === 'pop3s' ? secure.port : plain.port, tls: name === 'pop3s' }),
    takeDelivered: () => world.contents(),
    async close() {
      const closed = [plain.close(), secure.close()]
      await world.close()
      await Promise.all(closed)
    },
  }
}

testTranscripts(join(import.meta.dirname, 'pop3'), open)
