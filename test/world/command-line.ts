// The command line as tests use it.

import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { type Installation, type Ran, run } from '../server.ts'

export const posthorn = resolve(import.meta.dirname, '../../bin/posthorn')

/** Runs a command with something on its standard input. */
export const withInput = (server: Installation, input: string, ...args: string[]) =>
  run(posthorn, [...args, '--config', server.configFile], { input, cwd: server.folder })

export function assertRefused(ran: Ran, words: RegExp, code = 1): void {
  assert.match(ran.stderr, words)
  assert.equal(ran.code, code, ran.stderr)
  assert.equal(ran.stdout, '')
}
