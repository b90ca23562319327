// IMAP's wire: whole commands out of bytes in pieces, every grammar of the commands, and mailbox names there and back.

import assert from 'node:assert/strict'
import { ByteQueue, Fault, SyntaxFault } from '../../../src/base/index.ts'
import {
  type CommandText,
  Cursor,
  createCommandReader,
  decodeModifiedUtf7,
  encodeModifiedUtf7,
  flagWords,
  formatBodyStructure,
  formatDateTime,
  formatEnvelope,
  formatMailbox,
  formatText,
  headerDay,
  parseDateTime,
  parseFetchItems,
  parseFetchModifiers,
  parseMultiSearchProgram,
  parseNotify,
  parseSearchProgram,
  parseSelectParameters,
  parseSortProgram,
  parseThreadProgram,
  parseUnchangedSince,
  type ReaderLimits,
} from '../../../src/imap/wire/index.ts'
import { createScanner } from '../../../src/mime/index.ts'
import type { Target } from '../engine.ts'

const limits: ReaderLimits = { line: 4096, literal: 1024, command: 8192, discard: 16_384 }

const grammars: readonly ((p: Cursor) => unknown)[] = [
  (p) => [p.sequenceSet(), parseFetchItems(p.sp()), parseFetchModifiers(p)],
  (p) => [p.mailbox(), parseSelectParameters(p)],
  (p) => parseNotify(p),
  (p) => [p.sequenceSet(), parseUnchangedSince(p.sp()), p.word(), p.sp().flagList()],
  (p) => parseSearchProgram(p),
  (p) => parseSortProgram(p),
  (p) => parseThreadProgram(p),
  (p) => [p.astringText(), p.sp().nvalue(), p.sp().number64()],
  (p) => parseMultiSearchProgram(p),
  (p) => [p.sequenceSet(), p.sp().mailbox()],
  (p) => [p.mailbox(), p.sp().flagList(), p.sp().dateTime(), p.sp().messageLiteral()],
  (p) => [p.astringText(), p.sp().listMailbox()],
  (p) => [p.flag(), p.sp().date(), p.sp().number(), p.sp().nstring(), p.sp().initialResponse()],
]

function parse(text: CommandText): void {
  for (const grammar of grammars) {
    try {
      const p = new Cursor(text, text.segments.length % 2 === 0)
      p.tag()
      p.sp().word()
      grammar(p.sp())
      p.end()
    } catch (error) {
      if (!(error instanceof SyntaxFault || error instanceof Fault)) throw error
    }
  }
}

/** Of one input: more show nothing new and take long. */
const MAX_COMMANDS = 100

/** Reads the commands of `input`, which comes in pieces of `size`. */
async function readAll(input: Buffer, size: number): Promise<readonly string[]> {
  const queue = new ByteQueue()
  let at = 0
  let proceeded = 0
  const reader = createCommandReader(
    {
      queue,
      async more() {
        if (at >= input.length) return false
        queue.push(input.subarray(at, at + size))
        at += size
        return true
      },
    },
    {
      limits: () => limits,
      place: (_, length) => (length > 512 ? { write: () => undefined, abort: async () => {} } : 'inline'),
      proceed: () => proceeded++,
    },
  )
  const seen: string[] = []
  for (;;) {
    const received = await reader.next()
    if (received.kind === 'command') {
      assert.equal(received.text.segments.length, received.text.literals.length + 1)
      parse(received.text)
      seen.push(received.text.segments.join('|'))
    } else seen.push(received.kind)
    if (received.kind === 'end' || received.kind === 'close' || seen.length === MAX_COMMANDS) return seen
  }
}

/** What is stored of a message must be 7-bit and balanced, or a FETCH of it breaks the client. */
function checkStored(input: Buffer): void {
  const scanner = createScanner()
  scanner.write(input)
  const { envelope, root } = scanner.end()
  for (const text of [formatEnvelope(envelope), formatBodyStructure(root, true), formatBodyStructure(root, false)])
    assertBalanced(text, 0x7e)
  for (const text of [formatEnvelope(envelope, true), formatBodyStructure(root, true, true)])
    assertBalanced(text, 0xffff)
}

const hasBreak = (text: string) => text.includes('\r') || text.includes('\n') || text.includes('\0')

function assertBalanced(text: string, highest: number): void {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    assert.ok(c !== '\r' && c !== '\n' && c !== '\0' && c.charCodeAt(0) <= highest)
    if (quoted && c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (!quoted && c === '(') depth++
    else if (!quoted && c === ')') assert.ok(--depth >= 0)
  }
  assert.ok(depth === 0 && !quoted)
}

export const target: Target = {
  name: 'imap',
  files: ['src/imap/wire'],
  tokens: [
    '{3}\r\n',
    '{3+}\r\n',
    '{99999}',
    '{600+}\r\n',
    '"',
    '\\',
    '\\"',
    '(',
    ')',
    ' ',
    '\r\n',
    '*',
    '1:*',
    ',',
    'UID ',
    'FETCH ',
    'BODY.PEEK[',
    'BODY[1.2.MIME]<0.5>',
    'HEADER.FIELDS (',
    ']',
    'ALL',
    'BINARY.SIZE[',
    'PREVIEW (LAZY)',
    'UTF8 (~{600+}',
    '~{3+}\r\n',
    'NOT ',
    'OR ',
    'REVERSE SUBJECT ',
    'REFERENCES UTF-8 ',
    '(CHANGEDSINCE 0 VANISHED)',
    '(UNCHANGEDSINCE 7) ',
    'QRESYNC (1 2 3:4 (5 6))',
    'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n',
    'Content-Type: message/rfc822\r\n\r\n',
    'SINCE 1-Feb-2024',
    'HEADER a b',
    'CHARSET UTF-8 ',
    'RETURN (MIN) ',
    '(REVERSE DATE) UTF-8 ',
    'REFERENCES UTF-8 ',
    'IN (subtree ',
    'RETURN (SAVE PARTIAL -1:-3) ',
    '$',
    'OLDER 5',
    'MODSEQ "/flags/x" all 5',
    'EMAILID M1',
    'UIDBEFORE 3',
    '&AOk-',
    '&',
    '-',
    '&-',
    '\\Seen',
    'NIL',
    '"01-Jan-2024 00:00:00 +0000"',
    '4294967295',
    '4294967296',
    'ü',
    'CHANGEDSINCE ',
    '(selected-delayed ',
    'MessageNew MessageExpunge',
    '(subtree (a b) ',
    'VANISHED',
    '(UNCHANGEDSINCE 0) ',
    '(QRESYNC (',
    '9223372036854775807',
  ],
  seeds: () =>
    [
      'a UID FETCH 1:*,5,7:9 (FLAGS UID BODY.PEEK[1.2.HEADER.FIELDS (From "To")]<0.100> RFC822.SIZE)\r\n',
      'a FETCH 1 FULL\r\na FETCH 1 BODY[TEXT]\r\na FETCH 2 RFC822.HEADER\r\n',
      'a SEARCH CHARSET UTF-8 OR (SEEN NOT 1:5) UID 3 TEXT {3}\r\nabc SINCE 1-Feb-2024 LARGER 10 KEYWORD x HEADER a "b"\r\n',
      'a SEARCH RETURN (MIN MAX ALL COUNT) SENTBEFORE "1-Feb-2024" FROM x BODY y NEW\r\n',
      'a SORT RETURN (MIN COUNT) (REVERSE DATE DISPLAYFROM SUBJECT) UTF-8 SEEN 1:3\r\na THREAD REFS UTF-8 FROM x\r\n',
      'a ESEARCH IN (selected subtree (a "b c") mailboxes {1}\r\nd) RETURN (ALL) CHARSET UTF-8 TEXT x\r\n',
      'a SEARCH RETURN (SAVE COUNT PARTIAL 5:1) $ UID $ OLDER 5 YOUNGER 9 SAVEDON 1-Feb-2024 SAVEDATESUPPORTED\r\n',
      'a SEARCH MODSEQ "/flags/\\\\seen" shared 99 MODSEQ 0 EMAILID M1 THREADID T2 UIDAFTER 7 NOT UIDBEFORE 3\r\n',
      `a APPEND INBOX (\\Seen \\x kw) " 1-Feb-2024 01:02:03 -0130" {600+}\r\n${'m'.repeat(600)}\r\n`,
      'a FETCH 1:* (BINARY.PEEK[1.2]<0.5> BINARY.SIZE[] BINARY[1] PREVIEW (LAZY) SAVEDATE EMAILID THREADID)\r\n',
      'a FETCH 1 PREVIEW (CHANGEDSINCE 5)\r\na UID FETCH 1 BINARY[1\r\n',
      `a APPEND "Q&A" (\\Seen) UTF8 (~{600+}\r\n${'m'.repeat(600)}) ~{600+}\r\n${'\0'.repeat(600)}\r\n`,
      'a STORE 1:* inbox/x\r\na LIST "" "&AOk-%*"\r\na LOGIN {3+}\r\nann {1}\r\nx\r\n',
      'a X $kw 1-Feb-2024 5 NIL AGEAYg==\r\na X \\seen 1-Feb-2024 5 "s" =\r\n',
      'a FETCH 1:*,4 (FLAGS MODSEQ) (CHANGEDSINCE 12345 VANISHED)\r\na STORE 1,3 (UNCHANGEDSINCE 9) +FLAGS.SILENT (\\Seen)\r\n',
      'a SELECT INBOX (CONDSTORE QRESYNC (67890007 90060115194045000 41:211,214:541 (1:3,7 41:43,50)))\r\na SELECT x (QRESYNC (1 2))\r\n',
      'a SORT RETURN (COUNT) (REVERSE DATE SUBJECT) UTF-8 UNSEEN\r\na THREAD REFERENCES US-ASCII SINCE 1-Feb-2024\r\n',
      'a STORE 1:9 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen x)\r\na X /private/comment ~{3+}\r\na\0b 9007199254740991\r\n',
      'Subject: =?utf-8?Q?gr=C3=BCn?=\r\nFrom: =?iso-8859-1?Q?\u00fc?= <a@b>, g: c@d;\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png; name="\u00fc"\r\nContent-Disposition: attachment; filename=\u00e4\r\nContent-Language: de, en\r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ny\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b\r\nContent-Type: multipart/digest\r\n\r\n--b--\r\n',
      'a NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[1]) MessageExpunge FlagChange)) (subtree (a "b c") (MailboxName)) (mailboxes INBOX NONE)\r\na NOTIFY NONE\r\n',
      `a LOGIN {2000+}\r\n${'x'.repeat(2000)} {3+}\r\nabc\r\nb NOOP\r\n`,
    ].map((text) => Buffer.from(text)),
  async run(input) {
    const whole = await readAll(input, input.length || 1)
    assert.deepEqual(await readAll(input, 7), whole)
    const text = input.toString('latin1')
    const name = decodeModifiedUtf7(text)
    if (name?.isWellFormed()) assert.equal(decodeModifiedUtf7(encodeModifiedUtf7(name)), name)
    const unicode = input.toString()
    assert.equal(decodeModifiedUtf7(encodeModifiedUtf7(unicode)), unicode)
    for (const formatted of [formatText(text), formatText(unicode), formatMailbox(unicode, false)])
      for (let i = 0; i < formatted.length; i++)
        assert.ok(formatted.charCodeAt(i) < 0x7f && formatted[i] !== '\r' && formatted[i] !== '\n')
    for (const formatted of [formatText(text, true), formatText(unicode, true)])
      assert.ok(formatted === 'NIL' || (formatted.startsWith('"') && formatted.isWellFormed() && !hasBreak(formatted)))
    const at = parseDateTime(text)
    if (at !== undefined && at > -6e13 && at < 2.5e14) assert.equal(parseDateTime(formatDateTime(at).slice(1, -1)), at)
    headerDay(text)
    flagWords(input.length, input.length * 7, [...unicode].slice(0, 50))
    checkStored(input)
  },
}
