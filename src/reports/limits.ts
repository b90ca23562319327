// What is looked at of reports that come: they are written by strangers, and packed.

export const reportLimits = {
  /** Bytes of the message that are read; receivers refuse more than this as mail. */
  message: 16 * 2 ** 20,
  scan: { depth: 10, parts: 100, headerBytes: 64 * 1024, headerBytesTotal: 256 * 1024 },
  /** Parts of one message that may be reports, and files of one archive. */
  attachments: 10,
  files: 20,
  /** Bytes of all that one attachment unpacks to: a large sender's day has some thousand records of one KiB. */
  unpacked: 16 * 2 ** 20,
  /** What unpacks to more than `ratioFrom` bytes may be so many times as large: reports repeat themselves, up to some 60 times. */
  ratio: 200,
  ratioFrom: 2 ** 20,
  /** XML: elements inside each other, those of one record, and the characters of one text, name or tag. */
  depth: 16,
  elements: 10_000,
  /** What stands side by side in the root. */
  children: 100_000,
  text: 4_096,
  name: 100,
  tag: 8_192,
  records: 20_000,
  /** Signatures and reasons kept of one record (RFC 9990 §3.1.3). */
  results: 100,
  reasons: 20,
  /** Characters kept of a name, of an id, and of a text for people. */
  value: 255,
  words: 1_000,
  /** TLS: bytes of the JSON, which is read at once; policies of a report, failures and strings of a policy. */
  json: 4 * 2 ** 20,
  policies: 200,
  details: 1_000,
  strings: 50,
} as const
