// Which commands go with which names.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands } from './commands/index.ts'
import { hidesCapability, hidesCommand } from './hidden.ts'

const table = new Map(commands.map((command) => [command.name, command]))
const gone = (...names: string[]) =>
  commands
    .filter((command) => {
      const base = command.name.startsWith('UID ') ? table.get(command.name.slice(4)) : undefined
      return hidesCommand(new Set(names), command, base)
    })
    .map(({ name }) => name)
    .sort()

test('hiding an extension hides its commands and no others', () => {
  assert.deepEqual(gone(), [])
  assert.deepEqual(gone('MOVE'), ['MOVE', 'UID MOVE'])
  assert.deepEqual(gone('SORT'), ['SORT', 'UID SORT'])
  assert.deepEqual(gone('SORT=DISPLAY'), [])
  assert.deepEqual(gone('THREAD'), ['THREAD', 'UID THREAD'])
  assert.deepEqual(gone('THREAD=REFS'), [])
  assert.deepEqual(gone('COMPRESS=DEFLATE'), ['COMPRESS'])
  assert.deepEqual(gone('ACL'), ['DELETEACL', 'GETACL', 'LISTRIGHTS', 'MYRIGHTS', 'SETACL'])
  assert.deepEqual(gone('QUOTA'), ['GETQUOTA', 'GETQUOTAROOT', 'SETQUOTA'])
  assert.deepEqual(gone('METADATA'), ['GETMETADATA', 'SETMETADATA'])
  assert.deepEqual(gone('UIDPLUS'), ['UID EXPUNGE'])
})

test('whatever is hidden, what RFC 3501 has stays', () => {
  const everything = commands.flatMap(({ capabilities = [] }) => capabilities.map((name) => name.toUpperCase()))
  const left = commands.map(({ name }) => name).filter((name) => !gone(...everything).includes(name))
  for (const name of ['LOGIN', 'SELECT', 'LIST', 'STATUS', 'APPEND', 'FETCH', 'UID SEARCH', 'UID STORE', 'EXPUNGE'])
    assert.ok(left.includes(name), name)
  assert.deepEqual(
    left.filter(
      (name) =>
        table.get(name)!.capabilities &&
        !/^(UID )?(SELECT|EXAMINE|CREATE|LIST|STATUS|APPEND|FETCH|STORE|SEARCH)$/.test(name),
    ),
    [],
  )
})

test('every command beyond RFC 3501 announces what it belongs to, so that it can be hidden', () => {
  const everything = commands.flatMap(({ capabilities = [] }) => capabilities.map((name) => name.toUpperCase()))
  const hidden = gone(...everything)
  const extensions = commands.map(({ name }) => name).filter((name) => !hidden.includes(name))
  const plain = new Set(
    'CAPABILITY NOOP LOGOUT STARTTLS LOGIN AUTHENTICATE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS SELECT EXAMINE CLOSE CHECK APPEND FETCH STORE SEARCH COPY EXPUNGE'.split(
      ' ',
    ),
  )
  assert.deepEqual(
    extensions.filter((name) => !plain.has(name.replace(/^UID /, ''))),
    [],
  )
  assert.equal(hidesCapability(new Set(['IMAP4REV1']), 'IMAP4rev1'), false)
})
