import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from './log.ts'

test('a new level holds at once, for children that exist already and for theirs', () => {
  const lines: string[] = []
  const log = createLog('warn', { write: (text) => void lines.push(text) })
  const child = log.child({ part: 'queue' })
  const said = () => lines.splice(0).map((line) => (({ level, part, msg }) => [level, part, msg])(JSON.parse(line)))
  child.info({}, 'hidden')
  log.warn({}, 'shown')
  assert.deepEqual(said(), [[40, undefined, 'shown']])
  log.setLevel('debug')
  child.debug({}, 'now')
  child.child({ n: 1 }).info({}, 'and below')
  assert.deepEqual(said(), [
    [20, 'queue', 'now'],
    [30, 'queue', 'and below'],
  ])
  log.setLevel('silent')
  child.error({}, 'no')
  assert.deepEqual(said(), [])
})

test('a password does not stand in the log, alone or in an object', () => {
  const lines: string[] = []
  const log = createLog('info', { write: (text) => void lines.push(text) })
  log.info({ password: 'secret1', user: { name: 'joe', password: 'secret2' }, n: 1 }, 'said')
  const { password, user, n } = JSON.parse(lines[0]!)
  assert.deepEqual(
    { password, user, n },
    { password: '[Redacted]', user: { name: 'joe', password: '[Redacted]' }, n: 1 },
  )
})
