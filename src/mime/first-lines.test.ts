// What is shown of a message that nobody should open: text, and nothing that does more than stand there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createScanner, readFirstLines } from './index.ts'

function linesOf(message: string, most = 5, width = 40): string[] {
  const bytes = Buffer.from(message.replaceAll('\n', '\r\n'))
  const scanner = createScanner()
  scanner.write(bytes)
  const { root } = scanner.end()
  const steps = readFirstLines(root, most, width)
  let step = steps.next()
  while (!step.done) step = steps.next(bytes.subarray(...step.value))
  return step.value
}

test('the first lines of the text', () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ['Subject: x\n\none\n\n\n  two \nthree\n', ['one', '', '  two', 'three']],
    ['Subject: x\n\n', []],
    ['Subject: x\n\n1\n2\n3\n4\n5\n6\n7\n', ['1', '2', '3', '4', '5']],
    [`Subject: x\n\n${'w'.repeat(1000)}\nnext\n`, ['w'.repeat(40), 'next']],
    ['Subject: x\n\n\x1b]0;title\x07\x1b[2Jred \u202eevil\u202c z\u200bero\n', [']0;title[2Jred evil zero']],
    ['Content-Type: text/html\n\n<style>p{}</style><p>Hello <b>you</b></p><script>x()</script>\n', ['Hello you']],
    [
      'Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>markup\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nR3LDvMOfZQ==\n--b--\n',
      ['Grüße'],
    ],
    ['Content-Type: application/zip\nContent-Transfer-Encoding: base64\n\nUEsDBA==\n', []],
    ['Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nfile\n', []],
  ]
  for (const [message, expected] of table) assert.deepEqual(linesOf(message), expected, message)
})

test('a message of empty lines costs no more than one with text', () => {
  assert.deepEqual(linesOf(`Subject: x\n\n${'\n'.repeat(60_000)}end\n`), [])
})
