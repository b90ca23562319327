// What library.ts uses of a file of mailauth that has no types of its own.

declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  import type { Writable } from 'node:stream'

  export interface Prepared {
    readonly type: 'DKIM' | 'ARC'
    readonly parsed?: { readonly c?: object }
    invalid?: string
    fallbackCanonicalization?: string
  }
  export interface Status {
    readonly result: string
    readonly comment?: string
    readonly underSized?: number
    readonly policy?: Readonly<Record<string, string>>
  }
  export interface Signature {
    readonly id?: string
    readonly signingDomain?: string
    readonly selector?: string
    readonly algo?: string
    readonly signature?: string
    readonly status: Status
  }
  /** Takes a message; what it found is there when it has finished. */
  export class DkimVerifier extends Writable {
    constructor(options: object)
    readonly results: readonly Signature[]
    readonly headerFrom: readonly string[]
    readonly fromFields: number
    readonly arc: object
    prepareSignature(signature: Prepared): void
  }
}

declare module 'mailauth/lib/dmarc/get-dmarc-record.js' {
  export type RecordLookup = (name: string) => Promise<object | false>
  export function createRecordLookup(
    resolver: (name: string, type: string) => Promise<unknown>,
    options: { readonly strict: boolean },
  ): RecordLookup
  export function getOrgDomain(domain: string, lookup: RecordLookup): Promise<string>
}
