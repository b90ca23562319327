// What Sender Policy Framework is asked and what it answers (RFC 7208).

/** RFC 7208 §2.6. */
export type SpfResult = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror'

export interface SpfQuestion {
  /** The client's address. */
  readonly ip: string
  /** MAIL FROM as `local@domain`; the empty string for the null reverse-path, of which HELO answers (RFC 7208 §2.4). */
  readonly sender: string
  /** The name given with HELO or EHLO. */
  readonly helo: string
  /** Our own name, for the `r` macro of explanations. */
  readonly receiver: string
  /** Unix time in seconds, for the `t` macro of explanations. */
  readonly now: number
}

export interface SpfAnswer {
  readonly result: SpfResult
  /** Whose policy was asked. */
  readonly domain: string
  readonly scope: 'mfrom' | 'helo'
  /** The directive that decided, as it was published, or `default`. */
  readonly mechanism?: string
  /** With `fail`: what the domain has to say about it (RFC 7208 §6.2); not to be trusted. */
  readonly explanation?: string
  /** With `temperror`, `permerror` and `none`: what was wrong. */
  readonly problem?: string
}

export type Qualifier = '+' | '-' | '~' | '?'

/** A mechanism of a record (RFC 7208 §5). `spec` is a domain-spec, its macros not yet expanded; absent: the domain itself. */
export type Mechanism =
  | { readonly name: 'all' }
  | { readonly name: 'include' | 'exists'; readonly spec: MacroString }
  | { readonly name: 'ptr'; readonly spec: MacroString | undefined }
  | {
      readonly name: 'a' | 'mx'
      readonly spec: MacroString | undefined
      readonly bits4: number
      readonly bits6: number
    }
  | { readonly name: 'ip4' | 'ip6'; readonly network: string; readonly bits: number }

export interface Directive {
  readonly qualifier: Qualifier
  readonly mechanism: Mechanism
  /** As published. */
  readonly text: string
}

export interface SpfRecord {
  readonly directives: readonly Directive[]
  readonly redirect?: MacroString
  readonly exp?: MacroString
}

/** One macro-expand (RFC 7208 §7.1): the letter in lower case. */
export interface Macro {
  readonly letter: string
  /** The letter was upper-case: the value is URL-escaped. */
  readonly escaped: boolean
  /** Labels that are kept, counted from the right; absent: all. */
  readonly keep?: number
  readonly reverse: boolean
  /** Characters at which the value is split. */
  readonly delimiters: string
}

/** A macro-string: literal text and macros in turn. */
export type MacroString = readonly (string | Macro)[]

/** What macros stand for. */
export interface MacroValues extends SpfQuestion {
  /** The domain whose record is being looked at. */
  readonly domain: string
}
