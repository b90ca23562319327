// The milter protocol on the wire: what is agreed, what is told when, every answer, every change, packets in pieces, garbage.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMilter } from './milter.ts'
import { allActions, allSteps, formatPacket, parseOptions, parseReply, steps, toTexts } from './milter-wire.ts'
import { forever, startDaemon } from './testing/daemon.ts'
import { toRequest } from './testing/request.ts'
import type { FilterAnswer, FilterRequest } from './types.ts'

interface Packet {
  readonly letter: string
  readonly data: Buffer
}

function packetsIn(bytes: Buffer): Packet[] {
  const packets: Packet[] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at)
    if (at + 4 + size > bytes.length) break
    packets.push({ letter: bytes.toString('latin1', at + 4, at + 5), data: bytes.subarray(at + 5, at + 4 + size) })
    at += 4 + size
  }
  return packets
}

interface Script {
  readonly version?: number
  readonly actions?: number
  readonly steps?: number
  /** Behind the three numbers. */
  readonly macros?: Buffer
  /** What is said to a command, several packets if need be; absent: continue. */
  readonly on?: (letter: string, data: Buffer) => Buffer | undefined
  readonly piece?: number
}

const answered = new Set(['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E', 'U'])
const go = formatPacket('c')

function options({ version = 6, actions = 0, steps: wanted = 0, macros = Buffer.alloc(0) }: Script): Buffer {
  const numbers = Buffer.alloc(12)
  numbers.writeUInt32BE(version, 0)
  numbers.writeUInt32BE(actions, 4)
  numbers.writeUInt32BE(wanted, 8)
  return formatPacket('O', Buffer.concat([numbers, macros]))
}

/** A milter that goes by the script; the packets that it heard, and what was made of its answers. */
async function run(t: { after(end: () => Promise<void>): void }, script: Script, request: FilterRequest) {
  let seen = 0
  const daemon = await startDaemon(
    t,
    (heard) => {
      const said: Buffer[] = []
      const packets = packetsIn(heard)
      for (const { letter, data } of packets.slice(seen)) {
        if (letter === 'O') said.push(options(script))
        else if (answered.has(letter)) said.push(script.on?.(letter, data) ?? go)
      }
      seen = packets.length
      return said.length > 0 ? Buffer.concat(said) : undefined
    },
    script.piece,
  )
  const filter = createMilter({ name: 'test', place: daemon.place, hostname: 'mx.here.test' })
  const answer = await filter.check(request, forever)
  // QUIT may still be on its way.
  for (let i = 0; i < 100 && !packetsIn(daemon.heard[0]!).some(({ letter }) => letter === 'Q'); i++)
    await new Promise((done) => setImmediate(done))
  return { answer, heard: packetsIn(daemon.heard[0]!) }
}

const message = 'From: a@good.test\r\nSubject: one\r\n  two \r\nX:y\r\n\r\nGood day.\r\n'
const show = ({ letter, data }: Packet) => `${letter} ${data.toString('latin1').replaceAll('\0', '|')}`
const told = (heard: readonly Packet[]) => heard.filter(({ letter }) => letter !== 'O').map(show)

test('the whole conversation in order, with macros before each part', async (t) => {
  const request = toRequest(message, {
    ptr: 'out.good.test',
    account: 'ann',
    to: ['ann@here.test', 'bob@here.test'],
    tls: { version: 'TLSv1.3', cipher: 'X' },
  })
  const { answer, heard } = await run(t, {}, request)
  assert.deepEqual(answer, { action: 'accept', reasons: [], headers: [] })
  const [first] = heard
  assert.deepEqual(
    [first!.letter, first!.data.readUInt32BE(0), first!.data.readUInt32BE(4), first!.data.readUInt32BE(8)],
    ['O', 6, allActions, allSteps],
  )
  assert.deepEqual(told(heard), [
    'D Cj|mx.here.test|v|Posthorn|_|out.good.test [192.0.2.1]|{daemon_name}|posthorn|{client_addr}|192.0.2.1|{client_name}|out.good.test|{client_ptr}|out.good.test|',
    'C out.good.test|4||192.0.2.1|',
    'D H{tls_version}|TLSv1.3|{cipher}|X|',
    'H out.good.test|',
    'D Mi|t1|{auth_type}|unknown|{auth_authen}|ann|{mail_addr}|bert@good.test|{mail_host}|good.test|{mail_mailer}|esmtp|',
    'M <bert@good.test>|',
    'D R{rcpt_addr}|ann@here.test|{rcpt_host}|here.test|{rcpt_mailer}|esmtp|',
    'R <ann@here.test>|',
    'D R{rcpt_addr}|bob@here.test|{rcpt_host}|here.test|{rcpt_mailer}|esmtp|',
    'R <bob@here.test>|',
    'D Ti|t1|',
    'T ',
    'L From|a@good.test|',
    'L Subject|one\n  two |',
    'L X|y|',
    'D Ni|t1|',
    'N ',
    'B Good day.\r\n',
    'D Ei|t1|',
    'E ',
    'Q ',
  ])
})

test('an old one hears no DATA; what is not wanted is not told; what is not answered is not waited for', async (t) => {
  const letters = (heard: readonly Packet[]) => heard.map(({ letter }) => letter).join('')
  const old = await run(t, { version: 2 }, toRequest(message))
  assert.equal(letters(old.heard), 'ODCHDMDRLLLDNBDEQ'.replace('DMDR', 'DMDR'))
  const { noConnect, noHelo, noMail, noRcpt, noBody, noHeaders, noEoh, noData } = steps
  const none = noConnect | noHelo | noMail | noRcpt | noBody | noHeaders | noEoh | noData
  const few = await run(t, { steps: none }, toRequest(message))
  assert.equal(letters(few.heard).replaceAll('D', ''), 'OEQ')
  const { quietConnect, quietHelo, quietMail, quietRcpt, quietData, quietHeaders, quietEoh, quietBody } = steps
  const quiet = quietConnect | quietHelo | quietMail | quietRcpt | quietData | quietHeaders | quietEoh | quietBody
  const silent = { steps: quiet, on: (letter: string) => (letter === 'E' ? go : Buffer.alloc(0)) }
  const { answer, heard } = await run(t, silent, toRequest(message))
  assert.equal(answer.action, 'accept')
  assert.equal(letters(heard).replaceAll('D', ''), 'OCHMRTLLLNBEQ')
})

test('macros that it names are told instead of the usual ones; the blank behind a colon when it wants it', async (t) => {
  const list = (stage: number, names: string) => {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(stage)
    return Buffer.concat([number, toTexts(names)])
  }
  const macros = Buffer.concat([list(0, 'j {unknown}'), list(2, 'i {mail_addr}'), list(5, '')])
  const { heard } = await run(t, { macros, steps: steps.leadingSpace }, toRequest(message))
  const lines = told(heard)
  assert.deepEqual(
    lines.filter((line) => /^D [CMTE]/.test(line)),
    ['D Cj|mx.here.test|', 'D Mi|t1|{mail_addr}|bert@good.test|', 'D Ti|t1|'],
  )
  assert.deepEqual(
    lines.filter((line) => line.startsWith('L')),
    ['L From| a@good.test|', 'L Subject| one\n  two |', 'L X|y|'],
  )
})

test('a client without a name, over IPv6, or known by no address', async (t) => {
  const six = await run(t, {}, toRequest(message, { ip: '2001:db8::1' }))
  assert.ok(told(six.heard).includes('C [2001:db8::1]|6||2001:db8::1|'.replace('6||', '6||')))
  const none = await run(t, {}, toRequest(message, { ip: 'unknown' }))
  assert.ok(told(none.heard).includes('C [unknown]|U'))
})

test('a long body goes in full packets, whatever pieces it comes in, until it has seen enough', async (t) => {
  const body = 'word\r\n'.repeat(40_000)
  const request = toRequest(`Subject: x\r\n\r\n${body}`, {}, 7_777)
  const { heard } = await run(t, {}, request)
  const pieces = heard.filter(({ letter }) => letter === 'B').map(({ data }) => data)
  assert.deepEqual(
    pieces.map(({ length }) => length),
    [65_535, 65_535, 65_535, 43_395],
  )
  assert.equal(Buffer.concat(pieces).toString(), body)
  const script = { steps: steps.skip, on: (letter: string) => (letter === 'B' ? formatPacket('s') : undefined) }
  const short = await run(t, script, request)
  assert.equal(short.heard.filter(({ letter }) => letter === 'B').length, 1)
  assert.equal(short.answer.action, 'accept')
})

const reply = (text: string) => formatPacket('y', toTexts(text))
const verdicts: readonly [string, Buffer, Partial<FilterAnswer>][] = [
  ['accept', formatPacket('a'), { action: 'accept', reasons: [] }],
  ['reject', formatPacket('r'), { action: 'reject', reasons: ['milter test rejects it'] }],
  ['tempfail', formatPacket('t'), { action: 'defer', reasons: ['milter test wants it later'] }],
  ['discard', formatPacket('d'), { action: 'quarantine', reasons: ['milter test would discard it'] }],
  ['shutdown', formatPacket('4'), { action: 'defer', reasons: ['milter test takes nothing now'] }],
  [
    'a reply',
    reply('550 5.7.1 No\r\nway, 100%%'),
    { action: 'reject', reasons: ['milter test: 550 5.7.1 No  way, 100%'] },
  ],
  ['a later reply', reply('451 4.7.1 Soon'), { action: 'defer', reasons: ['milter test: 451 4.7.1 Soon'] }],
]
for (const at of ['C', 'H', 'M', 'T', 'L', 'N', 'B', 'E'])
  for (const [what, said, expected] of verdicts)
    test(`${what} to ${at} ends the conversation`, async (t) => {
      const { answer, heard } = await run(t, { on: (letter) => (letter === at ? said : undefined) }, toRequest(message))
      assert.deepEqual({ action: answer.action, reasons: answer.reasons }, expected)
      const after = heard.slice(heard.findIndex(({ letter }) => letter === at) + 1).map(({ letter }) => letter)
      assert.deepEqual(after, ['Q'])
    })

test('a recipient that it refuses is named; all of them refused is the message refused', async (t) => {
  const request = toRequest(message, { to: ['ann@here.test', 'bob@here.test'] })
  const refusing = (...names: string[]) => ({
    on: (letter: string, data: Buffer) =>
      letter === 'R' && names.some((name) => data.includes(name)) ? reply(`550 5.1.1 not ${names[0]}`) : undefined,
  })
  const one = await run(t, refusing('bob'), request)
  assert.equal(one.answer.action, 'accept')
  assert.deepEqual(one.answer.modifications, [
    { kind: 'refuse-recipient', address: 'bob@here.test', reason: 'milter test: 550 5.1.1 not bob' },
  ])
  assert.deepEqual(one.answer.reasons, ['milter test refuses it for <bob@here.test>: milter test: 550 5.1.1 not bob'])
  const all = await run(t, refusing('ann', 'bob'), request)
  assert.equal(all.answer.action, 'reject')
  assert.ok(!all.heard.some(({ letter }) => letter === 'T'))
})

const place = (index: number, ...texts: string[]) => {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(index)
  return Buffer.concat([number, toTexts(...texts)])
}

test('what it wants changed at the end: fields at the top, the rest named, progress waited for', async (t) => {
  const changes = [
    formatPacket('p'),
    formatPacket('h', toTexts('X-Added', ' a\n\tb')),
    formatPacket('h', toTexts('X-Also', 'c')),
    formatPacket('i', place(0, 'X-First', 'd')),
    formatPacket('i', place(1, 'X-Above', 'e\r\nInjected: f')),
    formatPacket('m', place(1, 'Subject', '[x] one')),
    formatPacket('m', place(2, 'Received', '')),
    formatPacket('e', toTexts('<new@good.test>')),
    formatPacket('+', toTexts('<eve@here.test>')),
    formatPacket('2', toTexts('<all@here.test>', 'NOTIFY=NEVER')),
    formatPacket('-', toTexts('ann@here.test')),
    formatPacket('b', Buffer.from('another body')),
    formatPacket('b', Buffer.from('and more')),
    formatPacket('p'),
    formatPacket('c'),
  ]
  const script = {
    actions: allActions,
    piece: 3,
    on: (letter: string) => (letter === 'E' ? Buffer.concat(changes) : undefined),
  }
  const { answer } = await run(t, script, toRequest(message))
  assert.equal(answer.action, 'accept')
  assert.deepEqual(answer.headers, [
    { name: 'X-Above', value: 'e\r\n\tInjected: f' },
    { name: 'X-First', value: 'd' },
    { name: 'X-Added', value: 'a\r\n\tb' },
    { name: 'X-Also', value: 'c' },
  ])
  assert.deepEqual(answer.modifications, [
    { kind: 'change-header', name: 'Subject', index: 1, value: '[x] one' },
    { kind: 'change-header', name: 'Received', index: 2 },
    { kind: 'change-sender', address: 'new@good.test' },
    { kind: 'add-recipient', address: 'eve@here.test' },
    { kind: 'add-recipient', address: 'all@here.test' },
    { kind: 'remove-recipient', address: 'ann@here.test' },
    { kind: 'replace-body', size: 20 },
  ])
  assert.deepEqual(answer.reasons, [
    'milter test wants Subject changed',
    'milter test wants Received removed',
    'milter test wants the sender to be <new@good.test>',
    'milter test wants <eve@here.test> to get it too',
    'milter test wants <all@here.test> to get it too',
    'milter test wants <ann@here.test> not to get it',
    'milter test wants the body replaced by 20 bytes',
  ])
})

test('quarantine holds when it accepts, and gives way to a refusal', async (t) => {
  const quarantine = formatPacket('q', toTexts('looks\r\nodd'))
  const ending = (end: Buffer) => ({ on: (l: string) => (l === 'E' ? Buffer.concat([quarantine, end]) : undefined) })
  const held = await run(t, ending(go), toRequest(message))
  assert.deepEqual(
    [held.answer.action, held.answer.reasons],
    ['quarantine', ['milter test wants it in quarantine: looks  odd']],
  )
  assert.equal((await run(t, ending(formatPacket('a')), toRequest(message))).answer.action, 'quarantine')
  assert.equal((await run(t, ending(formatPacket('r')), toRequest(message))).answer.action, 'reject')
})

const strange: readonly [string, Script, RegExp][] = [
  ['a version of tomorrow', { version: 7 }, /it speaks version 7/],
  ['a version of yesterday', { version: 1 }, /it speaks version 1/],
  ['changes that were not offered', { actions: 0x200 }, /it wants what it was not offered/],
  ['steps that were not offered', { steps: 0x40000000 }, /it wants what it was not offered/],
  ['a letter that means nothing', { on: () => formatPacket('Z') }, /it said "Z", which means nothing/],
  ['a letter that is a property of all objects', { on: () => formatPacket('constructor'[0]!) }, /./],
  [
    'a change before the end',
    { on: (l) => (l === 'H' ? formatPacket('h', toTexts('A', 'b')) : undefined) },
    /no place/,
  ],
  ['skip where nothing can be', { on: (l) => (l === 'H' ? formatPacket('s') : undefined) }, /no place/],
  ['a reply that takes the message', { on: (l) => (l === 'H' ? reply('250 fine') : undefined) }, /refuses nothing/],
  [
    'a field without a name',
    { on: (l) => (l === 'E' ? formatPacket('h', toTexts('', 'b')) : undefined) },
    /without a name/,
  ],
  ['a field without a place', { on: (l) => (l === 'E' ? formatPacket('i', Buffer.alloc(2)) : undefined) }, /no place/],
  [
    'more changes than it should',
    { on: (l) => (l === 'E' ? Buffer.concat(Array(500).fill(formatPacket('-', toTexts('a')))) : undefined) },
    /more changed than it should/,
  ],
  ['a packet without end', { on: () => Buffer.from([0xff, 0xff, 0xff, 0xff]) }, /does not speak the milter protocol/],
  ['a packet without a letter', { on: () => Buffer.alloc(4) }, /does not speak the milter protocol/],
]
for (const [what, script, error] of strange)
  test(`${what} is no answer`, async (t) => {
    if (what.startsWith('a letter that is a property'))
      return assert.throws(() => parseReply('constructor', Buffer.alloc(0)))
    await assert.rejects(run(t, script, toRequest(message)), (thrown: Error & { code?: string }) => {
      assert.match(thrown.message, error)
      assert.equal(thrown.code, 'unavailable')
      return true
    })
  })

test('one that speaks something else, closes in the middle, or falls silent', async (t) => {
  const options = { name: 'test', hostname: 'x' }
  const other = await startDaemon(t, () => 'HTTP/1.1 400 Bad Request\r\n\r\n')
  const asked = createMilter({ ...options, place: other.place }).check(toRequest(message), forever)
  await assert.rejects(asked, /milter test at 127\.0\.0\.1:\d+: it does not speak the milter protocol/)
  const closing = await startDaemon(t, (_, socket) => void socket.end())
  await assert.rejects(
    createMilter({ ...options, place: closing.place }).check(toRequest(message), forever),
    /it closed the connection/,
  )
  const silent = await startDaemon(t, (heard) => (heard.length < 20 ? undefined : undefined))
  const patience = AbortSignal.timeout(50)
  await assert.rejects(
    createMilter({ ...options, place: silent.place }).check(toRequest(message), patience),
    (error) => error === patience.reason,
  )
})

test('options cut anywhere are refused or read, never more', () => {
  const whole = Buffer.concat([options({}).subarray(5), place(0, 'j i'), place(9, 'x')])
  for (let size = 0; size <= whole.length; size++) {
    const cut = whole.subarray(0, size)
    if (size < 12) assert.throws(() => parseOptions(cut), /too short/)
    else assert.equal(parseOptions(cut).version, 6)
  }
  assert.deepEqual([...parseOptions(whole).macros], [['connect', ['j', 'i']]])
})
