// What the filter would say of a message in a file: as it came, or saved from a mailbox with the lines that this server put before it.

import type { AccountId } from '../../base/index.ts'
import { fieldValue, parseFields } from '../../mime/index.ts'
import type { Store } from '../../store/index.ts'
import type { SpamTest } from '../learn.ts'
import { createClassifier } from './classifier.ts'

export interface TestMessage {
  readonly store: Store
  /** Results that stand under this name are our own. */
  readonly hostname: string
  readonly bytes: Buffer
  readonly size: number
  readonly account: AccountId | undefined
}

export function testMessage({ store, hostname, bytes, size, account }: TestMessage): Promise<SpamTest> {
  let results: string | undefined
  let sender: string | undefined
  for (const field of parseFields(bytes.subarray(0, 65_536)).slice(0, 20)) {
    const name = field.name.toLowerCase()
    if (name === 'received') break
    const value = fieldValue(bytes, field)
    if (name === 'authentication-results' && value.toLowerCase().startsWith(`${hostname.toLowerCase()};`))
      results ??= value
    if (name === 'return-path') sender ??= value.replaceAll('<', '').replaceAll('>', '')
  }
  const known = { ...(results !== undefined && { results }), ...(sender !== undefined && { sender }) }
  return createClassifier({ store }).test({ bytes, size, ...known }, account)
}
