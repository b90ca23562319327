import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onEachStore } from '../../test/stores.ts'
import { type ContentId, toId } from '../base/index.ts'
import { openMessage } from './content.ts'
import { createHandover } from './handover.ts'

const id = (n: number) => toId<ContentId>(n)

test('what is kept is given once, and the oldest goes when there is no room', () => {
  const handover = createHandover(10)
  handover.keep(id(1), Buffer.from('1234'))
  handover.keep(id(2), Buffer.from('5678'))
  assert.equal(String(handover.take(id(1))), '1234')
  assert.equal(handover.take(id(1)), undefined)
  handover.keep(id(3), Buffer.from('9abc'))
  handover.keep(id(3), Buffer.from('9abc'))
  handover.keep(id(4), Buffer.from('def'))
  assert.equal(handover.take(id(2)), undefined)
  assert.equal(String(handover.take(id(3))), '9abc')
  assert.equal(String(handover.take(id(4))), 'def')
  handover.keep(id(5), Buffer.alloc(11))
  assert.equal(handover.take(id(5)), undefined)
})

onEachStore('a message whose content is at hand is not read', async ({ store }) => {
  const prefix = Buffer.from('Received: x\r\n')
  const opened = await openMessage(store, { content: id(1), prefix }, Buffer.from('\r\nhi\r\n'))
  assert.equal(String(opened?.whole), 'Received: x\r\n\r\nhi\r\n')
  assert.equal(await openMessage(store, { content: id(1), prefix }), undefined)
})
