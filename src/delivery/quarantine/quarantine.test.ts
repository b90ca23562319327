// From the filters' answers to mailboxes and the quarantine, and out of it again: each recipient as he wants it, nothing lost, nothing twice, on every
// database. The filters are functions of the test; who asks them, what is done and where it stands is the product's.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import type { DomainSettings } from '../../accounts/index.ts'
import { fakeClock, type JobId, toId } from '../../base/index.ts'
import type { FilterRequest } from '../../filters/index.ts'
import { type JobMap, sweepContents } from '../../jobs/index.ts'
import { jobRows } from '../../store/index.ts'
import { createTraceId } from '../../trace/index.ts'
import type { NamedAnswer } from '../index.ts'
import { arrival, envelope, type House, openHouse } from '../testing/house.ts'

const text = (id: string) =>
  `From: Eve <eve@else.test>\nSubject: =?utf-8?Q?d=C3=A9j=C3=A0?= ${id}\nMessage-ID: <${id}@else.test>\n\nbody ${id}\n`
const spam: NamedAnswer = { by: 'spamassassin', action: 'junk', score: 7, threshold: 5, reasons: ['it looks so'] }
const virus: NamedAnswer = { by: 'clamav', action: 'reject', virus: 'Eicar', reasons: ['ClamAV found Eicar'] }
const greylisted: NamedAnswer = { by: 'greylist', action: 'defer', reasons: ['greylisted, try again in 5 minutes'] }

async function open(...args: Parameters<typeof openHouse>) {
  const house = await openHouse(...args)
  const clock = args[0].options.clock
  const set = async (settings: DomainSettings, domain = 'a.test') => {
    await house.writes.setDomain(domain, settings)
    await house.settled()
  }
  let n = 0
  /** Through the check of a door and through delivery: `ok`, or the refusal's words. */
  const receive = async (answers: readonly NamedAnswer[], to: readonly string[], from = 's@else.test', more = {}) => {
    const traceId = createTraceId(clock.now() + n++)
    const mail = envelope(from, to)
    const content = await house.content(text(traceId))
    const came = arrival({ traceId, receivedAt: clock.now(), ...more })
    const checked = await house.checks(1e12, async () => answers).content(came, mail, content)
    if ('refusal' in checked) return { said: `${checked.refusal.code}: ${checked.refusal.text}`, traceId }
    const { verdicts, checked: events = [] } = await house.delivery.receive(checked.arrival, mail, content)
    const [verdict] = verdicts
    const said = verdict!.ok ? 'ok' : `${verdict!.refusal.code}: ${verdict!.refusal.text}`
    return {
      said,
      traceId,
      events: events.map((event) => (event.kind === 'checked' ? `${event.by}: ${event.result}` : '')),
    }
  }
  const timeline = async (id: string) => (await house.timelines.find(id)).timelines[0]!
  const kinds = async (id: string) => (await timeline(id)).events.map(({ kind }) => kind)
  return { ...house, clock, set, receive, timeline, kinds }
}

const kept = async ({ quarantine }: Pick<House, 'quarantine'>) =>
  (await quarantine.list()).entries.map(({ id, to, kind }) => [id, to, kind] as const)

onEachStore('spam: as the domain wants it, and as the user does where his domain lets him', async (bench) => {
  const house = await open(bench)
  const anna = await house.user('anna')
  assert.equal((await house.receive([spam], ['anna@a.test'])).said, 'ok')
  const [junk] = await house.messages(anna, 'Junk')
  assert.match(
    junk!,
    /\nDelivered-To: anna@a\.test\nX-Spam-Status: Yes, score=7 required=5\nX-Spam-Flag: YES\nX-Posthorn-Verdict: junk; spamassassin: it looks so, score 7 of 5\nReceived: /,
  )
  await house.set({ spam: 'tag' })
  await house.receive([spam], ['anna@a.test'])
  assert.match((await house.messages(anna))[0]!, /^X-Spam-Flag: YES\nX-Posthorn-Verdict: tag; /m)
  await house.set({ spam: 'reject' })
  const refused = await house.receive([spam], ['anna@a.test'])
  assert.equal(refused.said, 'spam: the message is taken for spam: it looks so')
  assert.deepEqual(refused.events, [
    'spamassassin: junk: it looks so, score 7 of 5',
    'verdict: refused: spamassassin: it looks so, score 7 of 5 (proposed junk, by the settings reject)',
  ])
  await house.writes.updateAccount('anna@a.test', { settings: { spam: 'off' } })
  await house.settled()
  await house.receive([spam], ['anna@a.test'])
  assert.doesNotMatch((await house.messages(anna))[1]!, /X-Spam|X-Posthorn/)
  await house.set({ userVerdicts: 'none' })
  assert.match((await house.receive([spam], ['anna@a.test'])).said, /^spam: /)
  await house.set({ userVerdicts: undefined as never })
  await house.writes.updateAccount('anna@a.test', { settings: { spam: undefined as never, virus: 'off' } })
  await house.settled()
  assert.equal((await house.receive([virus], ['anna@a.test'])).said, 'malware: the message holds malware: Eicar')
  await house.set({ userVerdicts: 'all' })
  assert.equal((await house.receive([virus], ['anna@a.test'])).said, 'ok')
  assert.deepEqual(await kept(house), [])
  await house.close()
})

onEachStore(
  'one who refuses beside one who takes it: kept apart, released to INBOX as if it had come then, once',
  async (bench) => {
    const house = await open(bench)
    await house.writes.addDomain('mild.test')
    const anna = await house.user('anna')
    const bob = (await house.writes.addAccount({ email: 'bob@mild.test', password: 'x' })).id
    await house.set({ spam: 'reject' })
    await house.set({ spam: 'junk' }, 'mild.test')
    const { said, traceId } = await house.receive([spam], ['anna@a.test', 'bob@mild.test'])
    assert.equal(said, 'ok')
    assert.equal((await house.messages(bob, 'Junk')).length, 1)
    assert.equal((await house.messages(anna)).length + (await house.messages(anna, 'Junk')).length, 0)
    const { entries } = await house.quarantine.list()
    const [entry] = entries
    assert.equal(entries.length, 1)
    assert.deepEqual(
      [entry!.to, entry!.user, entry!.domain, entry!.sender, entry!.kind, entry!.subject, entry!.trace],
      ['anna@a.test', 'anna@a.test', 'a.test', 's@else.test', 'spam', `déjà ${traceId}`, traceId],
    )
    assert.equal(entry!.expiresAt - entry!.receivedAt, 30 * 86_400_000)
    assert.match(
      entry!.reasons.join('; '),
      /it looks so, score 7 of 5.*; not refused, because other recipients take it/,
    )
    assert.deepEqual((await house.timeline(traceId)).states, { delivered: 1, quarantined: 1 })
    const checks = (await house.timeline(traceId)).events.flatMap((event) =>
      event.kind === 'checked' ? [event.result] : [],
    )
    assert.match(
      checks.join('\n'),
      /^junk: it looks so, score 7 of 5\nto the quarantine for anna@a\.test: .*\nto Junk for bob@mild\.test: /,
    )

    const preview = await house.quarantine.show(entry!.id)
    assert.deepEqual(preview.header[0], { name: 'From', value: 'Eve <eve@else.test>' })
    assert.deepEqual(preview.lines, [`body ${traceId}`])

    const answers = await Promise.all([1, 2, 3].map(() => house.quarantine.release([entry!.id], 'ada')))
    const errors = answers.flat().flatMap(({ error }) => error ?? [])
    assert.deepEqual(errors, Array(2).fill(`there is no message ${entry!.id} in the quarantine`))
    const messages = await house.messages(anna)
    assert.equal(messages.length, 1)
    assert.match(
      messages[0]!,
      /^Return-Path: <s@else\.test>\nDelivered-To: anna@a\.test\nX-Spam-Status: No, [\s\S]*X-Posthorn-Verdict: quarantine; [\s\S]*\nReceived: [\s\S]*Subject: /,
    )
    assert.doesNotMatch(messages[0]!, /X-Spam-Flag/)
    const events = (await house.timeline(traceId)).events
    const { at: _, ...last } = events.at(-1)!
    assert.deepEqual(last, { kind: 'let out', how: 'released', to: 'anna@a.test', by: 'ada', mailbox: 'INBOX' })
    assert.deepEqual((await house.timeline(traceId)).states, { delivered: 2 })
    assert.deepEqual(await kept(house), [])
    await house.close()
  },
)

onEachStore(
  'a full mailbox: said so at release, and the message stays; deleted, it is gone, and the timeline tells',
  async (bench) => {
    const house = await open(bench)
    const full = await house.user('full', { quotaBytes: 10 })
    await house.set({ virus: 'quarantine' })
    // Kept apart it takes no room of the user.
    const { traceId } = await house.receive([virus], ['full@a.test'])
    const [[id, to, kind] = []] = await kept(house)
    assert.deepEqual([to, kind], ['full@a.test', 'virus'])
    // What nobody refers to is swept; this is referred to from there alone.
    assert.equal((await sweepContents(house.store, { olderThanMs: -1_000 })).contents, 0)
    assert.deepEqual(await house.quarantine.release([id!, 999], 'ada'), [
      { id, error: 'the mailbox of full@a.test is full: the message stays in the quarantine' },
      { id: 999, error: 'there is no message 999 in the quarantine' },
    ])
    assert.equal((await kept(house)).length, 1)
    await house.writes.setDisabled('full@a.test', true)
    assert.match((await house.quarantine.release([id!], 'ada'))[0]!.error!, /^full@a\.test is disabled/)
    assert.deepEqual(await house.quarantine.remove([id!, id!], 'ada'), [
      { id, to: 'full@a.test' },
      { id, error: `there is no message ${id} in the quarantine` },
    ])
    assert.equal((await house.messages(full)).length, 0)
    assert.deepEqual(await house.kinds(traceId), ['checked', 'checked', 'quarantined', 'let out'])
    assert.deepEqual((await house.timeline(traceId)).states, { removed: 1 })
    const swept = await sweepContents(house.store, { olderThanMs: -1_000 })
    assert.equal(swept.contents, 1)
    await house.close()
  },
)

onEachStore('what leads outside is kept apart too, and leaves when it is released', async (bench) => {
  const house = await open(bench)
  await house.user('anna')
  await house.writes.addAlias('team@a.test', ['anna@a.test', 'out@far.test'])
  await house.set({ spam: 'quarantine' })
  const { traceId } = await house.receive([spam], ['team@a.test'])
  assert.deepEqual(await house.queued(), [])
  const entries = await kept(house)
  assert.deepEqual(entries.map(([, to]) => to).sort(), ['anna@a.test', 'team@a.test'])
  const onward = entries.find(([, to]) => to === 'team@a.test')![0]
  assert.deepEqual(await house.quarantine.release([onward], 'ada'), [{ id: onward, to: 'team@a.test' }])
  const [queued] = await house.queued()
  assert.deepEqual([queued!.address, queued!.kind], ['out@far.test', 'remote'])
  assert.match(queued!.sender!, /^SRS0=.*@a\.test$/i)
  assert.match(queued!.prefix, /^Delivered-To: team@a\.test\nX-Spam-Status: [\s\S]*\nReceived: /)
  assert.deepEqual((await house.kinds(traceId)).slice(-2), ['let out', 'queued'])
  // What is marked only goes on, marked.
  await house.set({ spam: 'tag' })
  await house.receive([spam], ['team@a.test'])
  const [, marked] = await house.queued()
  assert.match(marked!.prefix, /X-Spam-Flag: YES/)
  await house.close()
})

onEachStore('what users send: judged where that is configured, by the domain and not by themselves', async (bench) => {
  const house = await open(bench)
  const account = await house.user('anna')
  await house.set({ userVerdicts: 'all' })
  await house.writes.updateAccount('anna@a.test', { settings: { virus: 'off' } })
  await house.settled()
  const inside = { kind: 'submission', account, user: 'anna@a.test', with: 'ESMTPSA' } as const
  const send = (answers: NamedAnswer[]) => house.receive(answers, ['x@far.test'], 'anna@a.test', inside)
  assert.equal((await send([virus])).said, 'malware: the message holds malware: Eicar')
  assert.deepEqual(await house.queued(), [])
  assert.equal((await send([spam])).said, 'ok')
  const [queued] = await house.queued()
  assert.doesNotMatch(queued!.prefix, /X-Spam|X-Posthorn/)
  // Of what comes from here only those are asked who want that: the request tells them.
  const mail = envelope('anna@a.test', ['x@far.test'])
  let asked = 0
  const ask = async ({ inside }: FilterRequest): Promise<NamedAnswer[]> => {
    assert.equal(inside, true)
    asked++
    return []
  }
  const content = await house.content(text('y'))
  for (const came of [arrival(inside), arrival({ clientIp: '127.0.0.1' }), arrival({ trusted: true })])
    assert.ok('arrival' in (await house.checks(1e12, ask).content(came, mail, content)))
  assert.equal(asked, 3)
  for (const kind of ['lmtp', 'internal'] as const)
    assert.ok('arrival' in (await house.checks(1e12, ask).content(arrival({ kind }), mail, content)))
  assert.equal(asked, 3)
  await house.close()
})

onEachStore(
  'put off: the whole message while nobody takes it, and never what a recipient does not want put off',
  async (bench) => {
    const house = await open(bench)
    const [anna, bob] = [await house.user('anna'), await house.user('bob')]
    assert.equal(
      (await house.receive([greylisted], ['anna@a.test', 'bob@a.test'])).said,
      'try-later: greylisted, try again in 5 minutes',
    )
    assert.equal((await house.messages(anna)).length, 0)
    await house.writes.updateAccount('bob@a.test', { settings: { spam: 'off' } })
    await house.settled()
    assert.equal((await house.receive([greylisted], ['anna@a.test', 'bob@a.test'])).said, 'ok')
    assert.deepEqual([(await house.messages(anna)).length, (await house.messages(bob)).length], [1, 1])
    await house.close()
  },
)

onEachStore('filters are told what is known, have their time, and their failure loses no mail', async (bench) => {
  const house = await open(bench)
  await house.user('anna')
  const content = await house.content(text('z'))
  const mail = envelope('s@else.test', ['anna@a.test'])
  let asked: FilterRequest | undefined
  let read = ''
  const listen = async (request: FilterRequest) => {
    asked = request
    for await (const chunk of request.bytes()) read += Buffer.from(chunk)
    return []
  }
  assert.deepEqual(await house.checks(1e12, listen).content(arrival(), mail, content), { arrival: arrival() })
  const { trace, ip, helo, from, to, size, header, account } = asked!
  assert.deepEqual(
    [trace, ip, helo, from, to, account],
    ['T1', '192.0.2.7', 'sender.test', 's@else.test', ['anna@a.test'], undefined],
  )
  assert.equal(read.replaceAll('\r\n', '\n'), text('z'))
  assert.deepEqual([size, Buffer.from(header).toString().endsWith('\r\n\r\n')], [read.length, true])
  const fails = () => Promise.reject(new Error('broken'))
  const refused = await house.checks(1e12, fails).content(arrival(), mail, content)
  assert.equal('refusal' in refused && refused.refusal.code, 'try-later')
  await house.close()
})

onEachStore(
  'filters that cannot be asked; what nobody let out expires and is told of; the digest',
  async (bench) => {
    const house = await open(bench)
    const clock = bench.options.clock as ReturnType<typeof fakeClock>
    const anna = await house.user('anna')
    const mail = envelope('s@else.test', ['anna@a.test'])
    const broken = async () => {
      throw new Error('no filter')
    }
    const content = await house.content(text('w'))
    const answer = await house.checks(1e12, broken).content(arrival(), mail, content)
    assert.equal('refusal' in answer && answer.refusal.code, 'try-later')
    await clock.advance(5_000)

    await house.set({ spam: 'quarantine', quarantineDays: 2, quarantineDigest: 'daily' })
    const first = await house.receive([spam], ['anna@a.test'])
    await clock.advance(86_400_000)
    const second = await house.receive([spam], ['anna@a.test'])
    assert.deepEqual([await house.tell(), await house.tell()], [1, 0])
    const [payload] = await house.store.read((tx) => jobRows.payloadsOf(tx, 'post', 10))
    const job = { id: toId<JobId>(1), attempts: 1, done: async () => {}, again: async () => {} }
    await house.post(JSON.parse(payload!) as JobMap['post'], job)
    const [digest] = await house.messages(anna)
    assert.match(digest!, /^Subject: 2 new in your quarantine$/m)
    assert.match(digest!, /^Auto-Submitted: auto-generated$/m)
    assert.match(
      digest!,
      /kept until \d{4}-\d\d-\d\d\n {4}from Eve.*\n {4}about déjà .*\n {4}because spamassassin: it looks so/,
    )

    assert.equal(await house.expire(), 0)
    await clock.advance(86_400_000)
    assert.equal(await house.expire(), 1)
    assert.equal((await house.timeline(first.traceId)).events.at(-1)!.kind, 'let out')
    assert.deepEqual((await house.timeline(first.traceId)).states, { removed: 1 })
    assert.deepEqual((await house.timeline(second.traceId)).states, { quarantined: 1 })
    assert.equal((await kept(house)).length, 1)
    await house.close()
  },
  { clock: fakeClock(Date.UTC(2026, 10, 22)) },
)

onEachStore(
  'a timeline is kept for a shorter time than the message: what became of it has one of its own',
  async (bench) => {
    const day = 86_400_000
    const house = await open(bench, undefined, day)
    const clock = bench.options.clock as ReturnType<typeof fakeClock>
    const anna = await house.user('anna')
    await house.set({ spam: 'quarantine', quarantineDays: 3 })
    for (let i = 0; i < 3; i++) await house.receive([spam], ['anna@a.test'])
    const [released, deleted] = await kept(house)
    await clock.advance(2 * day)
    assert.equal((await house.timelines.find('anna@a.test')).timelines.length, 0)
    await house.quarantine.release([released![0]], 'ada')
    await house.quarantine.remove([deleted![0]], 'ada')
    await clock.advance(day)
    assert.equal(await house.expire(), 1)
    const { timelines } = await house.timelines.find('anna@a.test', { since: 0 })
    const told = timelines.map(({ events, to, from }) => [
      from,
      to,
      events.map((event) => (event.kind === 'let out' ? event.how : event.kind)),
    ])
    const of = (how: string) => ['s@else.test', ['anna@a.test'], ['quarantined', how]]
    assert.deepEqual(told, [of('expired'), of('deleted'), of('released')])
    assert.equal((await house.messages(anna)).length, 1)
    await house.close()
  },
  { clock: fakeClock(Date.UTC(2026, 10, 22)) },
)

onEachStore('the list: of a domain, of a user, a page at a time', async (bench) => {
  const house = await open(bench)
  await house.user('anna')
  await house.user('bob')
  await house.set({ spam: 'quarantine' })
  for (const to of ['anna', 'bob', 'anna', 'anna']) await house.receive([spam], [`${to}@a.test`])
  const { list } = house.quarantine
  assert.equal((await list({ domain: 'a.test' })).entries.length, 4)
  const first = await list({ user: 'anna@a.test', limit: 2 })
  assert.deepEqual(
    first.entries.map(({ to }) => to),
    ['anna@a.test', 'anna@a.test'],
  )
  const rest = await list({ user: 'anna@a.test', before: first.next! })
  assert.deepEqual([rest.entries.length, rest.next], [1, undefined])
  await assert.rejects(list({ user: 'nobody@a.test' }), /there is no user nobody@a\.test/)
  await assert.rejects(list({ domain: 'else.test' }), /there is no domain else\.test here/)
  await assert.rejects(house.quarantine.show(99), /there is no message 99 in the quarantine/)
  await house.close()
})
