// How much of one message is looked at. A message beyond a limit is never refused here: the rest is opaque.

export interface ScanLimits {
  /** Multiparts and messages within each other: real mail has under ten; a bomb has thousands. */
  readonly depth: number
  /** Parts of one message: each costs memory and a line in BODYSTRUCTURE. */
  readonly parts: number
  /** Header bytes kept of one part. */
  readonly headerBytes: number
  /** Header bytes read of all parts together: bounds the size of the result. */
  readonly headerBytesTotal: number
}

export const scanLimits: ScanLimits = {
  depth: 50,
  parts: 10_000,
  headerBytes: 256 * 1024,
  headerBytesTotal: 4 * 1024 * 1024,
}

/** Parameters of one Content-Type or Content-Disposition (RFC 2231 floods). */
export const MAX_PARAMS = 200
/** Characters kept of Content-ID, Content-Description, Content-Location, Content-MD5 and of one parameter. */
export const MAX_VALUE = 16 * 1024
/** Entries of one address list. */
export const MAX_ADDRESSES = 10_000
/** Message ids of one message: what threading looks at. */
export const MAX_REFERENCES = 50
/** Characters of them together: threading reads those of many messages at once. */
export const MAX_REFERENCE_CHARS = 8 * 1024
/** Longest line that may be a boundary; RFC 2046 §5.1.1 allows 70 characters, some programs write more. */
export const MAX_BOUNDARY_LINE = 1000
