// Every kind of durable work and what it carries: a new kind does not compile until somebody handles it.

import type { AccountId, JobId, MailboxId } from '../base/index.ts'
import type { Writer } from '../store/index.ts'

export interface JobMap {
  /** Mail of the house's own (DSNs, reports), put into delivery. `content` is kept while the job waits. */
  readonly post: {
    readonly from: string | null
    readonly to: readonly string[]
    readonly content: number
    readonly utf8: boolean
    /** The id of the timeline of the message that it is about. */
    readonly about?: string
    /** It may travel only as the message did that it is about (RFC 8689 §5). */
    readonly requireTls?: boolean
  }
  /** Takes away what a removed account has left. */
  readonly 'remove-account': { readonly account: AccountId }
  /** Takes away the rows of a mailbox that was deleted. */
  readonly 'sweep-mailbox': { readonly mailbox: MailboxId }
  /** Packs what FETCH shows of the mailbox's messages. */
  readonly 'pack-mailbox': { readonly mailbox: MailboxId }
  /** Deletes contents that nobody refers to, and files that no content names. */
  readonly 'sweep-contents': Record<never, never>
  /** Takes away timelines that are no longer kept. */
  readonly 'sweep-traces': Record<never, never>
  /** Shortens the change logs. */
  readonly 'prune-changes': Record<never, never>
  /** Reads a bounce or complaint that came back; `to`: the return path that it came to, `trace`: its own timeline. */
  readonly 'read-returned': { readonly content: number; readonly to?: string; readonly trace: string }
  /** Takes away what is remembered of sent mail, and entries of suppression lists that have expired. */
  readonly 'forget-returned': Record<never, never>
  /** Begins, retires and throws away DKIM keys. */
  readonly 'tend-dkim-keys': Record<never, never>
  /** Orders and renews certificates. */
  readonly 'tend-certificates': Record<never, never>
  /** Takes away files whose contents are gone for good. */
  readonly 'unlink-blobs': { readonly files: readonly string[] }
}
export type JobName = keyof JobMap

export interface RunningJob {
  readonly id: JobId
  /** 1 for the first. */
  readonly attempts: number
  /** Deletes the job within the handler's own write, so that effect and end are one. Fault `conflict` when somebody else has the job now. */
  done(tx: Writer): Promise<void>
  /** Puts the job back within the handler's own write, to run again at `runAt`: for work that recurs or goes page by page. */
  again(tx: Writer, runAt: number): Promise<void>
}

/** Does the work. May be run more than once. Without `done` or `again` the job is deleted when the handler returns; when it throws, it is tried again later. */
export type JobHandler<N extends JobName> = (payload: JobMap[N], job: RunningJob) => Promise<void>
export type JobHandlers = { readonly [N in JobName]: JobHandler<N> }

export interface JobRunner {
  /** Stops taking jobs and waits for those that run. */
  stop(): Promise<void>
}
