// Postfix, Exim and OpenSMTPD hand mail to us and take mail of us: with and without TLS, of awkward form, large, to many, to nobody; what
// each of them can do beyond that is used, and what it cannot is made good or said.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Bounce, readBounce } from '../../src/smtp/bounces/index.ts'
import { Installation } from '../server.ts'
import { exim } from './peers/exim.ts'
import { attack, compose, hand, handBinary, Inbox, trusted, withCrlf } from './peers/mail.ts'
import { opensmtpd } from './peers/opensmtpd.ts'
import { type Peer, startPeer } from './peers/peer.ts'
import { postfix } from './peers/postfix.ts'
import { eventually } from './programs.ts'

const password = 'correct horse'
const ada = 'ada@posthorn.test'
const users = [ada, 'ada@plain.test', 'jürgen@posthorn.test']

/** Bodies that somebody between the two may change. */
const bodies: { readonly [name: string]: Buffer | string } = {
  dots: '.\r\n..\r\n.leading\r\n...\r\n. \r\nend.\r\n.\r\n',
  blank: '\r\n\r\n  indented and trailing  \t\r\n\t\r\n\r\n',
  from: 'From here\r\n>From there\r\nFrom: x\r\n',
  longest: `${'x'.repeat(998)}\r\n${'.'.repeat(998)}\r\n`,
  utf8: 'Grüße, 日本語 🐎\r\n',
  bytes: Buffer.concat([Buffer.from(Array.from({ length: 126 }, (_, i) => 255 - i)), Buffer.from('\r\n')]),
  controls: 'a\x01\x07\x08\x1b[31m\x7f\x0b\x0c z\r\n',
  empty: '',
}

interface World {
  readonly peer: Peer
  readonly server: Installation
  readonly inboxes: { readonly [email: string]: Inbox }
}

type Where = () => Promise<readonly Buffer[]> | readonly Buffer[]

test('Postfix, Exim, OpenSMTPD and we mail each other', { timeout: 600_000, concurrency: 3 }, async (t) => {
  const server = await Installation.make({ users: Object.fromEntries(users.map((email) => [email, password])) })
  t.after(() => server.remove())
  const began = performance.now()
  const started = await Promise.all([postfix, exim, opensmtpd].map((kind) => startPeer(t, kind, server.ports.smtp)))
  t.diagnostic(`the peers started after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  const peers = started.filter((peer) => 'kind' in peer)
  const routes = peers.flatMap(({ domain, tls, plain }) => [
    [domain, `127.0.0.1:${tls}`],
    [`plain.${domain}`, `127.0.0.1:${plain}`],
  ])
  await server.reconfigure({
    smtp: { trustedNetworks: [`${trusted}/32`] },
    queue: { routes: Object.fromEntries(routes) },
  })
  await server.start()
  const opened = users.map(async (email) => [email, await Inbox.open(server.ports.imap, email, password)] as const)
  const inboxes = Object.fromEntries(await Promise.all(opened))
  t.after(async () => Object.values(inboxes).forEach((inbox) => void inbox.close()))
  const each = started.map((peer) =>
    t.test('kind' in peer ? peer.kind.name : 'left out', async (sub) => {
      if ('skip' in peer) return sub.skip(peer.skip)
      for (const [name, run] of Object.entries(cases))
        await sub.test(name, (one) => run({ peer, server, inboxes }, one))
    }),
  )
  await Promise.all(each)
})

/** The message of that subject, once it is there; with the logs when it is not. */
async function arrival(where: Where, mark: string, { peer, server }: World): Promise<Buffer> {
  try {
    return await eventually(
      `a message with ${mark}`,
      async () => (await where()).find((message) => message.includes(mark)),
      30_000,
    )
  } catch (error) {
    throw new Error(`${error}\n${peer.log().slice(-3_000)}\n${server.output.slice(-3_000)}`)
  }
}

const bob = ({ peer }: World) => `bob@${peer.domain}`
const atPeer =
  ({ peer }: World): Where =>
  () =>
    peer.messages().map(withCrlf)
const atUs =
  ({ inboxes }: World, email = ada): Where =>
  () =>
    inboxes[email]!.messages()

/** The message as sent is the end of the message as found: whoever takes it may only put lines in front. */
function assertWhole(found: Buffer, sent: Buffer, what: string): void {
  const from = Math.max(found.length - sent.length, 0)
  if (found.subarray(from).equals(sent)) return
  assert.equal(found.subarray(from).toString('latin1'), sent.toString('latin1'), `${what} is as sent`)
}

/** Names of messages are those of one peer: what came for another before is not taken for it. */
const subject = ({ peer }: World, name: string) => `Subject: ${peer.kind.name}: ${name}`
const write = ({ peer }: World, name: string, body: Buffer | string) => compose(`${peer.kind.name}: ${name}`, body)

/** Ends of data that some servers take for one. */
const wrongEnds = ['\n.\n', '\n.\r\n', '\r.\r', '\r.\r\n', '\r\n.\n', '\r\n.\r', '\n.\r', '\r\n\0.\r\n']

const headerOf = (message: Buffer) => message.toString('latin1').split('\r\n\r\n', 1)[0]!

const cases: { readonly [name: string]: (world: World, t: TestContext) => Promise<void> } = {
  async 'mail of awkward form reaches us unchanged, over TLS'(world) {
    const texts = Object.entries(bodies).map(([name, body]) => [name, write(world, `over-${name}`, body)] as const)
    for (const [, text] of texts)
      await hand(world.peer.plain, { from: 'eve@elsewhere.test', to: [ada], params: 'BODY=8BITMIME', text })
    for (const [name, text] of texts) {
      const found = await arrival(atUs(world), `${world.peer.kind.name}: over-${name}\r\n`, world)
      assertWhole(found, text, name)
      assert.match(found.toString('latin1'), /by mail\.example\.test \([^)]*\) with ESMTPS/)
      assert.match(found.toString('latin1'), /^Return-Path: <eve@elsewhere\.test>\r\n/)
    }
  },

  async 'and without TLS'(world) {
    const text = write(world, 'bare', 'Hello\r\n')
    await hand(world.peer.plain, { from: 'eve@elsewhere.test', to: ['ada@plain.test'], text })
    const found = await arrival(atUs(world, 'ada@plain.test'), subject(world, 'bare'), world)
    assertWhole(found, text, 'the message')
    assert.match(found.toString('latin1'), /by mail\.example\.test \([^)]*\) with ESMTP\r\n/)
  },

  async 'mail of awkward form reaches it unchanged, over TLS'(world) {
    const texts = Object.entries(bodies).map(([name, body]) => [name, write(world, `there-${name}`, body)] as const)
    for (const [, text] of texts)
      await hand(world.server.ports.smtp, { from: ada, to: [bob(world)], params: 'BODY=8BITMIME', text })
    for (const [name, text] of texts) {
      const found = await arrival(atPeer(world), `${world.peer.kind.name}: there-${name}\r\n`, world)
      assertWhole(found, text, name)
      if (world.peer.kind.server.includes('STARTTLS'))
        assert.match(found.toString('latin1'), /by mx\.\w+\.test[^;]*(ESMTPS|TLS)/is)
    }
  },

  async 'without TLS, where its handshake fails or none is offered'(world) {
    const text = write(world, 'in the clear', 'Hello\r\n')
    await hand(world.server.ports.smtp, { from: ada, to: [`bob@plain.${world.peer.domain}`], text })
    assertWhole(await arrival(atPeer(world), subject(world, 'in the clear'), world), text, 'the message')
  },

  async 'a message of 20 MB, both ways'(world) {
    const line = `${'0123456789abcdef'.repeat(4)}\r\n`
    const large = (name: string) => write(world, name, `.${line.repeat(20_000_000 / line.length)}`)
    const [here, there] = [large('large here'), large('large there')]
    await hand(world.peer.plain, { from: 'eve@elsewhere.test', to: [ada], text: here })
    await hand(world.server.ports.smtp, { from: ada, to: [bob(world)], text: there })
    assertWhole(await arrival(atUs(world), subject(world, 'large here'), world), here, 'the message to us')
    assertWhole(await arrival(atPeer(world), subject(world, 'large there'), world), there, 'the message to it')
  },

  async 'a message to 100 recipients, both ways'(world) {
    const numbers = Array.from({ length: 100 }, (_, i) => i)
    const text = write(world, 'to many', 'Hello\r\n')
    const { peer } = world
    await hand(world.server.ports.smtp, { from: ada, to: numbers.map((n) => `bob+${n}@${peer.domain}`), text })
    const copies = () => peer.messages().filter((message) => message.includes(subject(world, 'to many')))
    await eventually('all have it', async () => copies().length >= 100, 30_000)
    assert.equal(copies().length, 100)
    peer.empty()
    await hand(peer.plain, { from: bob(world), to: numbers.map((n) => `ada+${n}@posthorn.test`), text })
    await arrival(atUs(world), subject(world, 'to many'), world)
  },

  async 'nobody there: we write to the sender, who can read why'(world) {
    const text = write(world, 'to nobody there', 'Hello\r\n')
    await hand(world.server.ports.smtp, { from: ada, to: [`nosuch@${world.peer.domain}`, bob(world)], text })
    const report = await bounceOf(atUs(world), `nosuch@${world.peer.domain}`, world)
    assert.equal(report.form, 'report')
    assert.deepEqual(
      report.recipients.map(({ address, action, class: kind, hard }) => ({ address, action, kind, hard })),
      [{ address: `nosuch@${world.peer.domain}`, action: 'failed', kind: 'bad-mailbox', hard: true }],
    )
    assertWhole(await arrival(atPeer(world), subject(world, 'to nobody there'), world), text, 'what the other one got')
  },

  async 'nobody here: its report reaches its own user, and ours'(world) {
    for (const [from, where] of [
      [bob(world), atPeer(world)],
      [ada, atUs(world)],
    ] as const) {
      const to = `nosuch.${from.replace('@', '.')}.${world.peer.kind.name}@posthorn.test`
      await hand(world.peer.plain, { from, to: [to], text: write(world, `to nobody here`, 'Hello\r\n') })
      const { recipients } = await bounceOf(where, to, world)
      assert.equal(recipients[0]!.action, 'failed')
      assert.match(recipients[0]!.status!, /^5\./)
    }
  },

  async 'a delivery report that a sender of ours asked for comes from the server that delivered'(world) {
    const { peer, server } = world
    const to = `bob+asked@${peer.domain}`
    await hand(server.ports.smtp, {
      from: ada,
      to: [to],
      params: 'RET=HDRS ENVID=ours+2B1',
      recipientParams: `NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@elsewhere.test`,
      text: write(world, 'asked there', 'Hello\r\n'),
    })
    const text = (await arrival(atUs(world), `asked@${peer.domain}`, world)).toString('latin1')
    assert.match(text, new RegExp(`^Reporting-MTA: dns; ?mx\\.${peer.domain}\r$`, 'im'))
    // Exim leaves it as it stood in the command; OpenSMTPD repeats neither.
    if (peer.kind.name !== 'opensmtpd') {
      assert.match(text, /^Original-Envelope-Id: ours\+(2B)?1\r$/im)
      assert.match(text, /^Original-Recipient: rfc822; ?first@elsewhere\.test\r$/im)
    }
    assert.match(text, /^Action: delivered\r$/im)
    assert.match(text, /^Subject: \w+: asked there\r$/m)
  },

  async 'a delivery report that a sender of its own asked for comes from us'(world) {
    const { peer } = world
    await hand(peer.plain, {
      from: bob(world),
      to: [`ada+${peer.kind.name}@posthorn.test`],
      params: 'RET=HDRS ENVID=theirs+2B2',
      recipientParams: 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;last@elsewhere.test',
      text: write(world, 'asked here', 'Hello\r\n'),
    })
    const text = (await arrival(atPeer(world), `ada+${peer.kind.name}@`, world)).toString('latin1')
    assert.match(text, /^Reporting-MTA: dns; ?mail\.example\.test\r$/im)
    assert.match(text, /^Original-Envelope-Id: theirs\+2\r$/im)
    assert.match(text, /^Original-Recipient: rfc822; ?last@elsewhere\.test\r$/im)
    assert.match(text, /^Action: delivered\r$/im)
    assert.match(text, /^Subject: \w+: asked here\r$/m)
  },

  async 'who wants to hear nothing hears nothing'(world) {
    const { peer, server } = world
    await hand(server.ports.smtp, {
      from: ada,
      to: [`silent@${peer.domain}`],
      recipientParams: 'NOTIFY=NEVER',
      text: write(world, 'silent', 'Hello\r\n'),
    })
    await queueEmpty(server)
    const messages = await world.inboxes[ada]!.messages()
    assert.deepEqual(messages.filter((message) => message.includes(`silent@${peer.domain}`)).map(String), [])
  },

  async 'addresses and headers in UTF-8'(world) {
    const { peer, server } = world
    const text = write(world, 'Grüße dahin', 'Grüße\r\n')
    const params = 'SMTPUTF8 BODY=8BITMIME'
    const to = peer.kind.server.includes('SMTPUTF8') ? `björn@${peer.domain}` : bob(world)
    await hand(server.ports.smtp, { from: 'jürgen@posthorn.test', to: [to], params, text })
    if (peer.kind.server.includes('SMTPUTF8')) {
      assertWhole(await arrival(atPeer(world), subject(world, 'Grüße dahin'), world), text, 'the message')
    } else {
      const { recipients } = await bounceOf(atUs(world, 'jürgen@posthorn.test'), to, world)
      assert.equal(recipients[0]!.status, '5.6.7')
    }
    if (!peer.kind.client.includes('SMTPUTF8')) return
    const back = write(world, 'Grüße zurück', 'Grüße\r\n')
    await hand(peer.plain, { from: `björn@${peer.domain}`, to: ['jürgen@posthorn.test'], params, text: back })
    const found = await arrival(atUs(world, 'jürgen@posthorn.test'), subject(world, 'Grüße zurück'), world)
    assertWhole(found, back, 'the message')
    assert.match(found.toString(), /with UTF8SMTPS? /)
  },

  async 'smuggling: what stands behind a wrong end of data never becomes a message of its own on the way'(world) {
    const { peer, server } = world
    for (const [n, end] of wrongEnds.entries()) {
      const inside = (to: string) =>
        `${end}MAIL FROM:<${ada}>\r\nRCPT TO:<${to}>\r\nDATA\r\n${subject(world, `smuggled ${n}`)}\r\n\r\nx\r\n.\r\n`
      // Through it to us: whatever it took for one message is one here.
      const took = await attack(
        peer.plain,
        { from: 'eve@elsewhere.test', to: ada, name: `${peer.kind.name} ${n}` },
        inside(ada),
      )
      // Through us to it: we take nothing with a bare line end at all.
      const ours = await attack(server.ports.smtp, { from: ada, to: bob(world), name: `us ${n}` }, inside(bob(world)))
      // NUL is no line end: that is one message, with all that stands in it.
      assert.deepEqual(ours, end.includes('\0') ? [`Subject: carrier us ${n}`] : [], JSON.stringify(end))
      const whole = compose(`${peer.kind.name}: after ${n}`, 'x\r\n')
      await hand(peer.plain, { from: 'eve@elsewhere.test', to: [ada], text: whole })
      await hand(server.ports.smtp, { from: ada, to: [bob(world)], text: whole })
      await arrival(atUs(world), `${peer.kind.name}: after ${n}\r\n`, world)
      await arrival(atPeer(world), `${peer.kind.name}: after ${n}\r\n`, world)
      const smuggled = subject(world, `smuggled ${n}`)
      const own = (message: Buffer) => headerOf(message).includes(smuggled)
      const here = (await world.inboxes[ada]!.messages()).filter(own)
      assert.equal(here.length, took.filter((mark) => mark === smuggled).length, JSON.stringify(end))
      assert.deepEqual(peer.messages().map(withCrlf).filter(own).map(String), [], JSON.stringify(end))
    }
  },

  async 'smuggling: binary content with bare line ends is one message there'(world) {
    const { peer, server } = world
    for (const [n, end] of wrongEnds.entries()) {
      const text = `${subject(world, `binary ${n}`)}\r\n\r\na${end}MAIL FROM:<${ada}>\r\nRCPT TO:<${bob(world)}>\r\nDATA\r\n${subject(world, `smuggled binary ${n}`)}\r\n\r\nx\r\n.\r\n`
      await handBinary(server.ports.smtp, { from: ada, to: bob(world), text: Buffer.from(text, 'latin1') })
    }
    for (const n of wrongEnds.keys()) await arrival(atPeer(world), `binary ${n}\r\n`, world)
    await queueEmpty(server)
    const smuggled = peer
      .messages()
      .map(withCrlf)
      .filter((message) => headerOf(message).includes('smuggled'))
    assert.deepEqual(smuggled.map(String), [])
  },

  async 'header injection: line ends in names and words stay within their field'(world) {
    const { peer, server } = world
    const name = '=?utf-8?q?Eve=0D=0ABcc=3A_victim=40elsewhere.test=0D=0A=0D=0Abody?='
    const text = compose(`${peer.kind.name}: injected`, 'Hello\r\n', [`Reply-To: ${name} <eve@elsewhere.test>`])
    await hand(server.ports.smtp, {
      from: ada,
      to: [`nosuch@${peer.domain}`],
      params: 'ENVID=a+0D+0ABcc:+20x',
      text,
    }).then(
      () => assert.fail('an ENVID with line ends was taken'),
      (error: Error) => assert.match(error.message, /: 501 5\.5\.4 /),
    )
    const odd = compose(`=?utf-8?q?${peer.kind.name}=0D=0ABcc:_victim@elsewhere.test?=`, 'Hello\r\n')
    await hand(server.ports.smtp, { from: ada, to: [`odd@${peer.domain}`], text: odd })
    const report = await arrival(
      async () => (await world.inboxes[ada]!.messages()).filter((message) => readBounce(message).kind === 'bounce'),
      `odd@${peer.domain}`,
      world,
    )
    assert.doesNotMatch(headerOf(report), /^Bcc:/im)
    await hand(server.ports.smtp, { from: ada, to: [bob(world)], text })
    assertWhole(await arrival(atPeer(world), `${peer.kind.name}: injected`, world), text, 'the message')
  },

  async 'in chunks, where both sides can'(world) {
    const { peer, server } = world
    if (peer.kind.name !== 'exim') return
    const body = '.\r\nHello\r\n'.repeat(30_000)
    const [here, there] = [write(world, 'chunks here', body), write(world, 'chunks there', body)]
    await hand(peer.plain, { from: 'eve@elsewhere.test', to: [ada], text: here })
    await hand(server.ports.smtp, { from: ada, to: [bob(world)], text: there })
    assertWhole(await arrival(atUs(world), subject(world, 'chunks here'), world), here, 'the message to us')
    assertWhole(await arrival(atPeer(world), subject(world, 'chunks there'), world), there, 'the message to it')
    // Exim's log has a K where a message went in chunks.
    assert.match(peer.log(), /^.* => ada@posthorn\.test .* K .*$/m)
    assert.match(peer.log(), /^.* <= ada@posthorn\.test .* K .*$/m)
  },
}

async function queueEmpty(server: Installation): Promise<void> {
  await eventually(
    'the queue is empty',
    async () => JSON.parse(await server.cliOk('queue', 'list', '--json')).length === 0,
  )
}

/** What the report about that address says, once it is there. */
async function bounceOf(where: Where, about: string, world: World): Promise<Bounce> {
  const find = async () =>
    (await where()).filter((message) => {
      const found = readBounce(message)
      return found.kind === 'bounce' && found.recipients.some(({ address }) => address === about)
    })
  return readBounce(await arrival(find, about, world)) as Bounce
}
