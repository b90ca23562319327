// What is asked of the web on somebody's behalf, and what comes back.

import type { Resolver } from '../dns/index.ts'

export interface EgressOptions {
  readonly dns: Pick<Resolver, 'a' | 'aaaa'>
  /** Networks that may be asked though they are not of the public net. */
  readonly allow?: readonly string[]
  /** More certificate authorities (PEM). */
  readonly ca?: string
}

export interface WebRequest {
  /** `https:`, or `http:` where the caller lets it be. */
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  /** Of a POST. */
  readonly body?: Buffer | string
  /** Body bytes taken; an answer with more is a fault. */
  readonly maxBytes: number
  /** For all of it: names, connections, redirects, the body. */
  readonly timeoutMs: number
  /** Redirects followed, of a GET; absent: none, and the answer is what the caller gets. */
  readonly redirects?: number
  /** `http:` URLs may be asked too. */
  readonly plain?: boolean
}

export interface WebResponse {
  readonly status: number
  /** Names in lower case; of a field that came again all values, with commas. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The URL that answered. */
  readonly url: string
}

export interface Egress {
  /** EgressFault when there is no answer that may be taken. */
  fetch(request: WebRequest): Promise<WebResponse>
  reconfigure(options: Pick<EgressOptions, 'allow' | 'ca'>): void
}

/**
 * `url`: it is none that we ask. `name`: it has no address. `address`: it has none that may be asked. `connect`, `certificate`, `timeout`,
 * `too-large`, `redirect`, `protocol`.
 */
export type EgressProblem =
  | 'url'
  | 'name'
  | 'address'
  | 'connect'
  | 'certificate'
  | 'timeout'
  | 'too-large'
  | 'redirect'
  | 'protocol'

export class EgressFault extends Error {
  readonly problem: EgressProblem
  /** Nobody was reached, so nobody heard the request. */
  readonly unheard: boolean

  constructor(problem: EgressProblem, message: string, unheard = false) {
    super(message)
    this.name = 'EgressFault'
    this.problem = problem
    this.unheard = unheard
  }
}
