// Lists of users as people and spreadsheets write them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCsv, parseUsers } from './csv.ts'

test('quotes, empty lines, line ends and a byte order mark', () => {
  assert.deepEqual(parseCsv('\ufeffa,b\r\n\r\n"c ""d"", e",f\n"two\nlines",g'), [
    { line: 1, fields: ['a', 'b'] },
    { line: 3, fields: ['c "d", e', 'f'] },
    { line: 4, fields: ['two\nlines', 'g'] },
  ])
})

test('users with and without header, name and quota; each bad line is told', () => {
  const { users, errors } = parseUsers(
    'email,password,name,quota\nanna@a.test, pass word ,Anna,2G\nbob@a.test,x\nnobody,x\neve@a.test,\ndan@a.test,x,Dan,much\nx\n',
  )
  assert.deepEqual(users, [
    { line: 2, email: 'anna@a.test', password: ' pass word ', name: 'Anna', quotaBytes: 2 * 2 ** 30 },
    { line: 3, email: 'bob@a.test', password: 'x' },
  ])
  assert.deepEqual(
    errors.map(({ line, error }) => [line, error]),
    [
      [4, 'expected an address, found "nobody"'],
      [5, 'the password is empty'],
      [6, 'expected a size such as 2G, found "much"'],
      [7, 'expected email,password[,name,quota], found 1 fields'],
    ],
  )
})
