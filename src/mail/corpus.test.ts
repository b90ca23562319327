// Every message of the corpus goes into both databases and comes back with its bytes and its structure.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { formatBodyStructure, formatEnvelope } from '../imap/wire/index.ts'
import { createScanner } from '../mime/index.ts'
import { ownAccess } from './rights.ts'
import { testMail } from './testing/store.ts'

const folder = resolve(import.meta.dirname, '../../test/corpus/mime')

testMail('each message of the corpus is stored as it came, with its envelope and structure', async (mail) => {
  const account = await mail.addAccount()
  const inbox = await mail.inbox(account)
  const names = readdirSync(folder).filter((name) => name.endsWith('.eml'))
  assert.ok(names.length >= 400)
  const messages = names.map((name) => readFileSync(join(folder, name)))
  const items = []
  for (const bytes of messages) items.push({ content: await mail.content(bytes), flags: [] })
  await mail.writes.append(ownAccess(account, inbox), items)
  const want = { envelope: true, bodystructure: true, structure: true }
  const rows = await mail.reads.rows(inbox, [[1, names.length]], want)
  assert.equal(rows.length, names.length)
  for (const [i, row] of rows.entries()) {
    const [name, bytes] = [names[i]!, messages[i]!]
    assert.equal(row.size, bytes.length, name)
    assert.ok((await mail.reads.bytes(row, 0, row.size)).equals(bytes), name)
    const scanner = createScanner()
    scanner.write(bytes)
    const { root, envelope } = scanner.end()
    assert.equal(row.envelope, formatEnvelope(envelope), name)
    assert.equal(row.bodystructure, formatBodyStructure(root, true), name)
    assert.equal(formatBodyStructure(row.structure!, false), formatBodyStructure(root, false), name)
  }
})
