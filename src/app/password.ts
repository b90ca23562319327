// Generated passwords, and a password from standard input.

import { randomInt } from 'node:crypto'
import { Fault } from '../base/index.ts'

/** No letter or digit that is taken for another when read aloud or typed. */
const letters = 'abcdefghjkmnpqrstuvwxyz23456789'

/** Four groups of four: 79 bits, and a person can type it. */
export function generatePassword(): string {
  const group = () => Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('')
  return Array.from({ length: 4 }, group).join('-')
}

/** The first line of standard input. */
export async function readPassword(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += chunk.toString()
    if (text.includes('\n') || text.length > 4096) break
  }
  const line = text.split('\n', 1)[0]!.replace(/\r$/, '')
  if (line === '') throw new Fault('invalid', 'no password came on standard input')
  return line
}
