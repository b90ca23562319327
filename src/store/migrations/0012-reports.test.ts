// A database from before reports is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { domainRows, reportDueRows, reportRows, sql } from '../index.ts'

onEachStore('a database without reports learns to keep them', async ({ store, open }) => {
  const domain = await store.write('server', async (tx) => {
    await tx.run(sql`DROP TABLE report_due`)
    await tx.run(sql`DROP TABLE report_line`)
    await tx.run(sql`DROP TABLE dmarc_report`)
    await tx.run(sql`DROP TABLE dmarc_record`)
    await tx.run(sql`DROP TABLE tls_report`)
    await tx.run(sql`DROP TABLE tls_record`)
    await tx.run(sql`DROP TABLE complaint`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0012-reports'`)
    return domainRows.insert(tx, { name: 'a.test', aliasOf: null })
  })
  await store.close()
  const again = await open()
  const found = await again.write([], async (tx) => {
    const due = await reportDueRows.ensure(tx, {
      kind: 'dmarc',
      day: 1,
      domain: 'b.test',
      policy: 'v=DMARC1',
      due_at: 5,
    })
    await reportDueRows.insertLine(tx, due.id, { hash: 'h', count: 2, data: '{}' })
    await reportDueRows.insertLine(tx, due.id, { hash: 'h', count: 3, data: '{}' })
    return reportDueRows.lines(tx, due.id, 0)
  })
  assert.deepEqual(
    found.map(({ count }) => count),
    [5],
  )
  assert.deepEqual(await again.read((tx) => reportRows.listDmarc(tx, domain, 0, 10)), [])
})

onEachStore('what is old goes: lines before what they belong to, page by page', async ({ store }) => {
  await store.write([], async (tx) => {
    for (const day of [1, 2, 9]) {
      const due = await reportDueRows.ensure(tx, { kind: 'tls', day, domain: 'b.test', policy: '', due_at: 5 })
      for (let i = 0; i < 7; i++) await reportDueRows.insertLine(tx, due.id, { hash: `${i}`, count: 1, data: '{}' })
    }
  })
  for (let gone = 1; gone > 0; ) gone = await store.write([], (tx) => reportDueRows.sweep(tx, 5, 3))
  const left = await store.read((tx) => reportDueRows.list(tx, 0, 10))
  assert.deepEqual(
    left.map(({ day, lines }) => [day, lines]),
    [[9, 7]],
  )
  const lines = await store.read((tx) => tx.get<{ n: number }>(sql`SELECT count(*) AS n FROM report_line`))
  assert.equal(Number(lines!.n), 7)
})
