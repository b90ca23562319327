// An e-mail address as a value. The text forms are parsed and written beside this file.

/** `local` is the unquoted local part in Unicode, as given (case kept). `domain` is lower-case A-labels, or an address literal as `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
export interface Address {
  readonly local: string
  readonly domain: string
}

/** A reverse or forward path (RFC 5321 §4.1.2); null is the null reverse-path `<>`. */
export type Path = Address | null
