// What the scanner finds in a message. Offsets count bytes of the scanned content; nothing here holds the body.

export interface ContentType {
  /** Lower case: `text`, `multipart` … */
  readonly type: string
  readonly subtype: string
  /** Names lower case; values raw as in the header unless RFC 2231 joined and decoded them to Unicode. Wire order. */
  readonly params: readonly (readonly [name: string, value: string])[]
}

export interface Part extends ContentType {
  /** First byte of the part's header (of the message for the root). */
  readonly start: number
  /** First byte of the part's body. */
  readonly body: number
  /** One past the last byte of the part's body (the CRLF before a boundary belongs to the boundary). */
  readonly end: number
  /** Lines of the body (for text/* and message/rfc822 in BODYSTRUCTURE). */
  readonly lines: number
  /** Raw values of single headers, unfolded, without comments removed; absent when the header is. */
  readonly id?: string
  readonly description?: string
  /** Lower case; `7bit` when absent. */
  readonly encoding: string
  readonly md5?: string
  readonly disposition?: { readonly type: string; readonly params: ContentType['params'] }
  readonly language?: readonly string[]
  readonly location?: string
  /** Children of a multipart, in order. */
  readonly parts?: readonly Part[]
  /** The contained message of a message/rfc822 or message/global part that is not transfer-encoded. */
  readonly message?: { readonly envelope: Envelope; readonly root: Part }
}

/** One mailbox of an address header: raw display name (encoded words not decoded), local part and domain as written. A group's start has only `name` in `group`; its end is all undefined. */
export interface EnvelopeAddress {
  readonly name?: string
  /** The obsolete source route: `@one.example,@two.example`. */
  readonly route?: string
  readonly local?: string
  readonly domain?: string
  /** Set on the entry that opens a group; the closing entry has no field at all (RFC 9051 §7.5.2). */
  readonly group?: string
}

/** Raw header values, unfolded; Latin-1 strings hold undecoded 8-bit bytes unless the header is valid UTF-8, which is decoded. */
export interface Envelope {
  readonly date?: string
  readonly subject?: string
  readonly from: readonly EnvelopeAddress[]
  readonly sender: readonly EnvelopeAddress[]
  readonly replyTo: readonly EnvelopeAddress[]
  readonly to: readonly EnvelopeAddress[]
  readonly cc: readonly EnvelopeAddress[]
  readonly bcc: readonly EnvelopeAddress[]
  readonly inReplyTo?: string
  readonly messageId?: string
}

/** One header field as it stands: offsets of the whole field with its line end, name as written. */
export interface HeaderField {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** The result of one pass over a message. */
export interface Scan {
  readonly size: number
  readonly root: Part
  readonly envelope: Envelope
  /** The top header's bytes as received, with the empty line; capped by the scanner's limits. */
  readonly header: Buffer
  readonly has8bit: boolean
  /** A header has octets above 127, that of the message or of a part in it. */
  readonly header8bit?: true
  /** Present when a limit was reached (depth, parts, header bytes): the rest was taken as opaque text. */
  readonly limited?: string
}

/** What is computed once from a message's bytes and kept beside them. */
export interface Digest {
  /** Without angle brackets; absent when the message has none. */
  readonly messageId?: string
  /** Message ids without angle brackets: those of References, oldest first, then those that only In-Reply-To names; at most 50. */
  readonly references: readonly string[]
  /** How many of `references` stand in References; absent: all. */
  readonly ownReferences?: number
  /** The Date header, milliseconds since 1970 UTC. */
  readonly sentAt?: number
  /** Base subject (RFC 5256 §2.1), decoded and folded: sort and thread key. */
  readonly baseSubject: string
  /** A reply or forward mark was taken off the subject (RFC 5256 §2.1). */
  readonly isReply: boolean
  /** Decoded and folded values for SEARCH: all values of one header joined by `\n`. */
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly bcc: string
  /** Sort keys (RFC 5256 §3): local part of the first address or name of the first group, folded. */
  readonly sortFrom: string
  readonly sortTo: string
  readonly sortCc: string
  /** Sort keys (RFC 5957 §3): display name or address of the first From and To addresses, decoded and folded. */
  readonly displayFrom: string
  readonly displayTo: string
  /** First words of the text, whitespace joined, at most 200 characters. */
  readonly preview: string
  readonly hasAttachment: boolean
}
