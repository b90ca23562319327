// The timeline of each message, and by what it is found.

export const trace = {
  name: '0005-trace',
  statements: [
    // How a message came in; n is never seen outside: {serial} counts without a table of its own. Rows are appended, and go from the other end. keys: what it is found by, hashes of five bytes each.
    // data: JSON of trace/types.ts.
    `CREATE TABLE trace (
      n {serial},
      id TEXT NOT NULL,
      at {int} NOT NULL,
      keys {bytes} NOT NULL,
      data TEXT NOT NULL)`,
    // What happened after it was accepted. trace: its id, which begins with the time. n: told apart within a millisecond.
    `CREATE TABLE trace_event (
      trace TEXT NOT NULL,
      at {int} NOT NULL,
      n {int} NOT NULL,
      data TEXT NOT NULL,
      PRIMARY KEY (trace, at, n)) {rowless}`,
    // The keys of the timelines first to last, sorted. An index would have to be written to in as many places as a message has keys.
    `CREATE TABLE trace_segment (
      first {int} PRIMARY KEY,
      last {int} NOT NULL,
      at {int} NOT NULL,
      keys {bytes} NOT NULL)`,
    `ALTER TABLE queue_message ADD COLUMN trace TEXT NOT NULL DEFAULT ''`,
  ],
} as const
