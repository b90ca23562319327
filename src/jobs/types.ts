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
    /** It must arrive also where TLS does not work (RFC 8689 §3). */
    readonly tlsOptional?: boolean
  }
  /** Takes away what a removed account has left. */
  readonly 'remove-account': { readonly account: AccountId }
  /** Takes away the rows of a mailbox that was deleted. */
  readonly 'sweep-mailbox': { readonly mailbox: MailboxId }
  /** Packs what FETCH shows of the mailbox's messages. */
  readonly 'pack-mailbox': { readonly mailbox: MailboxId }
  /** The spam filter learns of messages of an account that somebody put into Junk or took out of it. */
  readonly learn: {
    readonly account: AccountId
    /** Ids of messages, at most 1,000. */
    readonly messages: readonly number[]
    readonly as: 'spam' | 'ham'
  }
  /** The filters outside that learn, SpamAssassin and Rspamd, are told the same. */
  readonly 'teach-filters': {
    readonly account: AccountId
    readonly messages: readonly number[]
    readonly as: 'spam' | 'ham'
  }
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
  /** Takes away what has been in the quarantine for as long as it may. */
  readonly 'expire-quarantine': Record<never, never>
  /** Tells users who want to hear it what came into the quarantine for them. */
  readonly 'tell-of-quarantine': Record<never, never>
  /** Takes away what abuse control needs no more. */
  readonly 'sweep-abuse': Record<never, never>
  /** Sends the reports on other domains whose time has come. */
  readonly 'send-reports': Record<never, never>
  /** Tells a domain of one message that failed. Nothing in it names a person. */
  readonly 'send-failure-report': {
    /** Where the policy was published, and its `ruf`. */
    readonly domain: string
    readonly ruf: string
    /** Fields of message/feedback-report. */
    readonly fields: readonly (readonly [name: string, value: string])[]
    /** Lines of the header. */
    readonly header: string
    readonly text: string
    /** Whose SPF record is told too. */
    readonly spfDomain?: string
  }
  /** Reads what may be a report; `verified`: the message passed DMARC, or came from inside. */
  readonly 'read-report': { readonly content: number; readonly trace: string; readonly verified: boolean }
  /** Takes away what is old of reports and complaints. */
  readonly 'forget-reports': Record<never, never>
  /** Fetches MTA-STS policies of other domains again before they end. */
  readonly 'refresh-sts-policies': Record<never, never>
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
