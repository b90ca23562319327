// What is looked at of a message that may be a bounce: reports are written by strangers.

export const bounceLimits = {
  /** Bytes of the message: reports quote at most so much before what matters has been said. */
  bytes: 512 * 1024,
  scan: { depth: 10, parts: 200, headerBytes: 64 * 1024, headerBytesTotal: 256 * 1024 },
  /** Bytes of the text for people, of the fields of a report, and of a complaint's. */
  text: 64 * 1024,
  fields: 128 * 1024,
  complaint: 32 * 1024,
  /** Recipients of one report: a transaction has 100 as a rule, and each costs a look at the tables of phrases. */
  recipients: 200,
  /** Lines of the text, and characters of one. */
  lines: 1000,
  line: 1000,
  /** Characters kept of a diagnostic, and of any other value. */
  diagnostic: 500,
  value: 320,
} as const
