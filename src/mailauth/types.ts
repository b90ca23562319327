// What is known about who sent a message: one value that the doors make and delivery, trace and reports read. Structured-cloneable.

import type { SpfAnswer } from './spf/index.ts'

/** RFC 8601 §2.7.1. */
export type DkimResult = 'none' | 'pass' | 'fail' | 'policy' | 'neutral' | 'temperror' | 'permerror'

/** One signature, in the order of the header. */
export interface DkimSignature {
  readonly result: DkimResult
  /** `d=`, `s=`, `a=` as given, and the first characters of `b=`, by which two of one domain are told apart. */
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
  readonly tag: string
  readonly reason?: string
  /** Bytes of the body that the signature does not cover (`l=`): anybody may have written them. */
  readonly uncovered?: number
}

export interface ArcAnswer {
  readonly result: 'none' | 'pass' | 'fail'
  /** Sets in the chain. */
  readonly instance: number
  /** Who made the last one. */
  readonly sealer?: string
  /** A chain that passes covers the From header: only then it can speak for the author. */
  readonly coversFrom: boolean
  readonly reason?: string
}

export type DmarcPolicy = 'none' | 'quarantine' | 'reject'
export interface DmarcAnswer {
  readonly result: 'none' | 'pass' | 'fail' | 'temperror' | 'permerror'
  /** Domain of the From header; absent when there is none, or more than one. */
  readonly from?: string
  /** Where the record that counts was published, and what it asks for after every option of it (RFC 9989 §4.7). */
  readonly publishedAt?: string
  readonly policy?: DmarcPolicy
  /** `p=`, `sp=`, `np=` as published; `t=y`. */
  readonly published?: {
    readonly p: DmarcPolicy
    readonly sp?: DmarcPolicy
    readonly np?: DmarcPolicy
    readonly testing: boolean
  }
  /** What the record says, as published. */
  readonly record?: string
  readonly spfAligned: boolean
  readonly dkimAligned: boolean
  readonly reason?: string
}

/** RFC 8601 §3: whether the client's address has a name that leads back to it. */
export interface IprevAnswer {
  readonly result: 'pass' | 'fail' | 'temperror' | 'permerror'
  readonly name?: string
}

export interface Verification {
  readonly spf: SpfAnswer
  readonly dkim: readonly DkimSignature[]
  readonly arc: ArcAnswer
  readonly dmarc: DmarcAnswer
  readonly iprev: IprevAnswer
  /** Authentication-Results and Received-SPF, each line with its end: ASCII, for the top of the message. */
  readonly header: string
}
