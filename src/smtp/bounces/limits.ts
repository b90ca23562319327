// What is looked at of a message that may be a bounce: reports are written by strangers.

export const bounceLimits = {
  /** Bytes of the message: reports quote at most so much before what matters has been said. */
  bytes: 512 * 1024,
  scan: { depth: 10, parts: 200, headerBytes: 64 * 1024, headerBytesTotal: 256 * 1024 },
  /** Bytes of the text for people, and of the fields of a report. */
  text: 64 * 1024,
  fields: 256 * 1024,
  /** Recipients of one report. */
  recipients: 1000,
  /** Lines of the text, and characters of one. */
  lines: 1000,
  line: 1000,
  /** Characters kept of a diagnostic, and of any other value. */
  diagnostic: 500,
  value: 320,
} as const
