// Mail that is kept apart: what stands with it, and what people may do with it.

import type { Path } from '../../address/index.ts'
import type { AccountId } from '../../base/index.ts'
import type { NewQueueRecipient } from '../../queue/index.ts'
import type { MailParams } from '../../smtp/wire/index.ts'
import type { VerdictKind } from '../verdicts/decide.ts'

/** What is needed to let a message go that its row has no column for. */
export interface KeptParams {
  /** Of what goes on to others. */
  readonly onward?: {
    /** The address here that leads there. */
    readonly via?: Exclude<Path, null>
    readonly recipient: NewQueueRecipient
    readonly lifetime?: number
    /** Who sent it, if he was signed in. */
    readonly account?: AccountId
    readonly utf8: boolean
    readonly params?: MailParams
  }
}

/** One message as one recipient would have got it. */
export interface Quarantined {
  readonly id: number
  /** Id of its timeline. */
  readonly trace: string
  /** Whom it is for: the address as it was reached. */
  readonly to: string
  /** The domain whose settings hold for it; '' when it is none of ours. */
  readonly domain: string
  /** The user whose mailbox it is for; absent: it goes on to others. */
  readonly user?: string
  /** `local@domain`, or '' for the null reverse-path. */
  readonly sender: string
  /** Who the message says wrote it, and about what: words of a stranger. */
  readonly from: string
  readonly subject: string
  readonly size: number
  readonly kind: VerdictKind
  readonly reasons: readonly string[]
  readonly receivedAt: number
  readonly expiresAt: number
}

/** With what can be shown of it without harm: nothing here is more than text. */
export interface QuarantinePreview extends Quarantined {
  /** Fields of its header, decoded, the first of many. */
  readonly header: readonly { readonly name: string; readonly value: string }[]
  /** The first lines of its text; of HTML what a reader would see of it. */
  readonly lines: readonly string[]
}

export interface QuarantineFilter {
  readonly domain?: string
  /** The address of a user. */
  readonly user?: string
  /** Only older ones than this: `next` of the page before. */
  readonly before?: number
  readonly limit?: number
}

/** What became of one of several. */
export interface QuarantineAnswer {
  readonly id: number
  /** Whom it was for. */
  readonly to?: string
  /** Why nothing was done; it is where it was. */
  readonly error?: string
}

/** For people: `posthorn quarantine …`, later the web. Faults: not-found, invalid, limit. */
export interface QuarantineAdmin {
  /** The newest first. */
  list(filter?: QuarantineFilter): Promise<{ readonly entries: readonly Quarantined[]; readonly next?: number }>
  show(id: number): Promise<QuarantinePreview>
  /** Delivers as if the messages had come and nobody had objected, each once. At most 1,000; each answers by itself. `by`: who lets them go. */
  release(ids: readonly number[], by: string): Promise<readonly QuarantineAnswer[]>
  /** Takes them away for good. */
  remove(ids: readonly number[], by: string): Promise<readonly QuarantineAnswer[]>
}
