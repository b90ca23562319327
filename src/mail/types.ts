// What can be done with mail in an account. Reads run on a read-only store in any thread; writes run in the core.

import type { AccountId, ContentId, MailboxId, MessageId, Ranges, ThreadId } from '../base/index.ts'
import type { ChangePage } from '../events/index.ts'
import type { Digest, Part } from '../mime/index.ts'
import type { fetchBlockRows, Reader, Writer } from '../store/index.ts'
import type { ColumnName, Columns } from './columns.ts'
import type { FetchBlock } from './fetch-block.ts'

export type Role = 'inbox' | 'drafts' | 'sent' | 'junk' | 'trash' | 'archive'

/** Content that was received and synced (when large), not yet in a row. Structured-cloneable. */
export interface NewContent {
  /** SHA-256 of the bytes. */
  readonly hash: Uint8Array
  readonly size: number
  /** The bytes, up to the blobs' inlineLimit … */
  readonly bytes?: Uint8Array
  /** … or the finished blob's name. */
  readonly file?: string
  /** JSON of the root Part. */
  readonly structure: string
  /** ENVELOPE and BODYSTRUCTURE as IMAP writes them. */
  readonly envelope: string
  readonly bodystructure: string
  readonly digest: Digest
  readonly has8bit: boolean
  /** See literalEnd of mime; only where the bytes are here. */
  readonly literalEnd?: number
}

export interface Mailbox {
  readonly id: MailboxId
  readonly account: AccountId
  /** Full name in Unicode, hierarchy separator `/`, `INBOX` in capitals. */
  readonly name: string
  readonly role?: Role
  readonly uidValidity: number
  readonly uidNext: number
  readonly modseq: number
  readonly messages: number
  readonly unseen: number
  readonly deleted: number
  readonly size: number
  /** UIDs above this were not yet shown as \Recent to anybody. */
  readonly recentUid: number
}

/** One right of RFC 4314 §2.1. */
export type Right = 'l' | 'r' | 's' | 'w' | 'i' | 'p' | 'k' | 'x' | 't' | 'e' | 'a'

/**
 * What one account may do with one mailbox: who acts, whose it is, and the rights as they were read. Made by `MailReads.resolve`; whatever
 * writes asks for it and looks the rights up again in its own transaction.
 */
export interface Access {
  readonly actor: AccountId
  readonly owner: AccountId
  readonly mailbox: MailboxId
  /** What stands before the owner's name of the mailbox for the actor: '' for his own, else `Shared/<address>/`. */
  readonly prefix: string
  /** Letters in the order `lrswipkxtea`. */
  readonly rights: string
}

/** A mailbox as one account sees it: under the name and with the role that it has for him. */
export interface Located {
  readonly mailbox: Mailbox
  readonly access: Access
}

/** One line of a mailbox's access list. */
export interface AclEntry {
  readonly email: string
  readonly rights: string
  /** These rights are taken away, whatever gives them (`-identifier`). */
  readonly negative: boolean
}
/** What was noted of a mailbox or the server (RFC 5464); `entry` whole and in lower case. */
export interface Annotation {
  readonly entry: string
  readonly value: Uint8Array
}
export interface AnnotationChange {
  readonly entry: string
  /** Null: the entry goes. */
  readonly value: Uint8Array | null
}
export interface AclChange {
  readonly account: AccountId
  readonly negative: boolean
  readonly mode: 'replace' | 'add' | 'remove'
  readonly rights: string
}

/** System flags are bits 0–4 of `lo`: Seen 1, Answered 2, Flagged 4, Deleted 8, Draft 16. Keyword n of the mailbox is bit 5+n (n 0–58; bit 32 and on stand in `hi`). */
export interface FlagBits {
  readonly lo: number
  readonly hi: number
}

/** A block of 256 UIDs as it stands in the store: uid = block * 256 + slot. Arrays have `count` slots; the rest is absent. */
export interface FlagBlock {
  readonly block: number
  /** Highest modseq in the block. */
  readonly modseq: number
  readonly count: number
  /** 1 where the UID has a message. */
  readonly present: Uint8Array
  readonly lo: Uint32Array
  readonly hi: Uint32Array
  /** Of a missing UID that once was: the modseq of its expunge; 0: never was. */
  readonly modseqs: Float64Array
}

export interface MailReads {
  /**
   * The one way from a name to a mailbox: the actor's own, or one that is shared with him and on which he has `right` (`any`: he may know
   * that it is there). Faults `denied`, and `not-found` also for what he may not look up.
   */
  resolve(actor: AccountId, name: string, right: Right | 'any'): Promise<Located>
  /** What the actor may do now with a mailbox that he knows; undefined when nothing or it is gone. */
  resolveById(actor: AccountId, id: MailboxId): Promise<Located | undefined>
  /** What others let the account look up, as he sees it. */
  shared(actor: AccountId): Promise<Located[]>
  /** Every mailbox that the account may look up, his own first. */
  visible(actor: AccountId): Promise<Located[]>
  /** The mailbox's access list ("a"). */
  acl(mailbox: Access): Promise<AclEntry[]>
  /** Names and sizes of the annotations that the actor may see; of the server with `serverAccess`. */
  annotationNames(mailbox: Access): Promise<{ readonly entry: string; readonly size: number }[]>
  /** Those of these (at most 1,000) entries that there are. */
  annotations(mailbox: Access, entries: readonly string[]): Promise<Annotation[]>
  /** The account's own. */
  mailboxes(account: AccountId): Promise<Mailbox[]>
  /** One of the account's own. */
  mailbox(account: AccountId, name: string): Promise<Mailbox | undefined>
  mailboxById(id: MailboxId): Promise<Mailbox | undefined>
  subscriptions(account: AccountId): Promise<string[]>
  keywords(mailbox: MailboxId): Promise<string[]>
  /** What changed in the account after `cursor`; without one only where the log ends. Undefined when the account is gone. */
  changes(account: AccountId, cursor?: number): Promise<ChangePage | undefined>
  /** While two calls give the same, nothing was changed between them; undefined when that cannot be told at once. */
  version(): string | undefined
  /** Mailbox row, keywords and the blocks with modseq above `since`, in one snapshot; undefined when the mailbox is gone. */
  changesSince(
    mailbox: MailboxId,
    since: number,
  ): Promise<{ mailbox: Mailbox; keywords: string[]; blocks: FlagBlock[] } | undefined>
  /** UIDs of `uids` that were expunged after the modseq `since`. A mailbox forgets no expunge. Read page by page: not one moment's answer. */
  expunged(mailbox: MailboxId, since: number, uids: Ranges): Promise<Ranges>
  /** Rows by UID, ascending; missing UIDs are left out. Ask for at most 1,000 UIDs. */
  rows(mailbox: MailboxId, uids: Ranges, want: RowFields): Promise<MessageRow[]>
  /**
   * Those parts of what FETCH shows of the UIDs block * 64 … block * 64 + 63, for the blocks `from` … `to`, of which at most 4 are read; those
   * that are not packed (yet) are left out.
   */
  fetchBlocks(
    mailbox: MailboxId,
    from: number,
    to: number,
    want: readonly FetchPart[],
  ): Promise<ReadonlyMap<number, FetchBlock>>
  /** Single facts of at most 1,000 messages, for searching: as `rows`, at a third of its cost. */
  facts(mailbox: MailboxId, uids: Ranges, want: readonly Fact[]): Promise<MessageFacts[]>
  /**
   * Facts of any number of messages (by ascending UID) side by side, at most 1,000 at a time and ascending: where the search index has
   * packed them, at a tenth of the cost of `facts`. Missing UIDs are left out; others may be among them.
   */
  columns<Name extends ColumnName>(
    mailbox: MailboxId,
    uids: Uint32Array,
    want: readonly Name[],
  ): AsyncIterable<Columns<Name>>
  /** Bytes of a message as IMAP sees it (prefix + content), `end` exclusive. */
  bytes(row: MessageRow, start: number, end: number): Promise<Buffer>
  /**
   * The whole bytes of the messages with these UIDs that stand in the database, ascending; others are left out. The caller sees to it that
   * together they are at most a megabyte.
   */
  wholes(mailbox: MailboxId, uids: readonly number[]): Promise<{ readonly uid: number; readonly bytes: Buffer }[]>
  /** The same in chunks of at most 64 KiB. */
  stream(row: MessageRow, start: number, end: number): AsyncIterable<Buffer>
  /**
   * Texts for SEARCH of at most 1,000 UIDs, decoded from the messages' bytes as they are asked for, some at a time in little memory.
   * Missing UIDs are left out. The loop turns between pages.
   */
  texts(
    mailbox: MailboxId,
    uids: Ranges,
    want: { readonly header: boolean; readonly body: boolean },
  ): AsyncIterable<readonly TextWindow[]>
  /**
   * UIDs, of these at most 1,000, of messages that hold the folded needle nowhere in their texts: those of which a quick look at their
   * bytes tells it, at a third of the cost of `texts`. `header`: the needle is looked for in the header too.
   */
  lacking(mailbox: MailboxId, uids: Uint32Array, needle: string, header: boolean): Promise<ReadonlySet<number>>
  /**
   * UIDs of the messages that may hold the folded needle anywhere in their texts or header facts: all others hold it nowhere. Undefined
   * when nothing is known of any.
   */
  holders(mailbox: MailboxId, needle: string): Promise<ReadonlySet<number> | undefined>
  /** The same of a word of `wantedWords`: UIDs of the messages that may have a word that begins like this. */
  wordHolders(mailbox: MailboxId, word: string): Promise<ReadonlySet<number> | undefined>
  quota(
    account: AccountId,
  ): Promise<{ usedBytes: number; usedMessages: number; quotaBytes?: number; quotaMessages?: number }>
}

export type FetchPart = fetchBlockRows.Part
export type Fact = keyof Omit<MessageFacts, 'uid'>
/** Only what was wanted is set. The texts of headers are folded. */
export interface MessageFacts {
  readonly uid: number
  readonly size?: number
  readonly receivedAt?: number
  readonly savedAt?: number
  /** Null: the message has no date. */
  readonly sentAt?: number | null
  readonly envelope?: string
  readonly subject?: string
  readonly from?: string
  readonly to?: string
  readonly cc?: string
  readonly bcc?: string
  readonly message?: number
  readonly thread?: number
  /** What orders messages (RFC 5256 §3, RFC 5957 §3), folded. */
  readonly baseSubject?: string
  readonly sortFrom?: string
  readonly sortTo?: string
  readonly sortCc?: string
  readonly displayFrom?: string
  readonly displayTo?: string
  /** Without brackets; null: the message has none. */
  readonly messageId?: string | null
  /** Ids of References, one a line; behind an empty line those that only In-Reply-To names. */
  readonly refs?: string
}

/** Folded text of one message. A long body has several windows, which joined are the whole. */
export interface TextWindow {
  readonly uid: number
  /** Lines `name: value`; '' in all windows but the first, and when it was not asked for. */
  readonly header: string
  /** '' when it was not asked for. */
  readonly body: string
  /** The message's last window. */
  readonly last: boolean
}

/** Which columns a `rows` call needs: the fewer, the faster. */
export interface RowFields {
  readonly envelope?: boolean
  readonly bodystructure?: boolean
  readonly structure?: boolean
  readonly preview?: boolean
  /** Of a single message that is small: its bytes, when nothing else is wanted. */
  readonly bytes?: boolean
}
export interface MessageRow {
  readonly uid: number
  readonly message: MessageId
  readonly content: ContentId
  readonly thread: ThreadId
  readonly size: number
  readonly prefixSize: number
  readonly receivedAt: number
  readonly savedAt: number
  readonly sentAt?: number
  readonly file?: string
  /** Bytes beyond ASCII, in the header or elsewhere. */
  readonly has8bit: boolean
  readonly envelope?: string
  readonly bodystructure?: string
  readonly structure?: Part
  /** First words of the text. */
  readonly preview?: string
  /** The whole message, if it was read already. */
  readonly bytes?: Buffer
}

export interface AppendItem {
  readonly content: NewContent
  readonly flags: readonly string[]
  /** Milliseconds; absent: now. */
  readonly receivedAt?: number
  /** Header lines added in front by delivery. */
  readonly prefix?: Uint8Array
}

export interface FlagChange {
  readonly mode: 'add' | 'remove' | 'replace'
  readonly flags: readonly string[]
  /** RFC 7162 §3.1.3: messages with a higher modseq stay as they are. */
  readonly unchangedSince?: number
}

/** What an account may hold; absent: no limit. */
export interface QuotaLimits {
  readonly quotaBytes?: number
  readonly quotaMessages?: number
}

/** Writes. Each looks the actor's rights up again. Faults: not-found, exists, over-quota, invalid, limit, conflict, denied. */
export interface MailWrites {
  /** All or none; flags that the actor may not set are left out (RFC 4314 §4). The owner's quota counts. */
  append(to: Access, items: readonly AppendItem[]): Promise<{ uidValidity: number; uids: number[]; modseq: number }>
  /** Missing UIDs are left out. `unchangedSince`: RFC 7162 UNCHANGEDSINCE; UIDs that failed it come back in `modified`. */
  setFlags(mailbox: Access, uids: Ranges, change: FlagChange): Promise<{ modseq: number; modified: Ranges }>
  /** Copies flags and dates; `source[i]` became `target[i]`. Thousands of messages take several transactions: what fails then is taken back. */
  copy(from: Access, uids: Ranges, to: Access): Promise<{ uidValidity: number; source: number[]; target: number[] }>
  /** Appends the item to `to` and removes `uid` from `from`, both or neither; the quota counts the difference. Fault `conflict`: it is gone. */
  replace(
    from: Access,
    uid: number,
    to: Access,
    item: AppendItem,
  ): Promise<{ uidValidity: number; uid: number; modseq: number }>
  /** As `copy` and `expunge`. Thousands of messages take several transactions: what fails then has moved a part. */
  move(
    from: Access,
    uids: Ranges,
    to: Access,
  ): Promise<{ uidValidity: number; source: number[]; target: number[]; modseq: number }>
  /** Removes messages with \Deleted, within `uids` when given; thousands in several transactions. */
  expunge(mailbox: Access, uids?: Ranges): Promise<{ uids: Ranges; modseq: number }>
  /** Names are the actor's: what is created, renamed or deleted under `Shared/` is its owner's. */
  createMailbox(actor: AccountId, name: string, role?: Role): Promise<Mailbox>
  /** Renames with its children; renaming INBOX moves its messages (RFC 9051 §6.3.6). */
  renameMailbox(actor: AccountId, from: string, to: string): Promise<void>
  deleteMailbox(actor: AccountId, name: string): Promise<void>
  subscribe(account: AccountId, name: string, on: boolean): Promise<void>
  /** All or none. Faults `too-large`, `limit`; `denied` where others would see it and one may not write. */
  setMetadata(mailbox: Access, changes: readonly AnnotationChange[]): Promise<void>
  /** Sets both limits of an account. Fault `denied` to all but administrators. */
  setQuota(actor: AccountId, owner: AccountId, limits: QuotaLimits): Promise<void>
  /** Changes what one user was given ("a"); an entry without rights goes. Fault `invalid` when it would take a right from the owner. */
  setAcl(mailbox: Access, change: AclChange): Promise<void>
  /** Has what FETCH shows of the mailbox packed soon, where that was not done. */
  pack(account: AccountId, mailbox: MailboxId): Promise<void>
  /** Takes the messages that nobody has seen as \Recent: returns the first UID that is recent for the caller. The owner's alone. */
  claimRecent(account: AccountId, mailbox: MailboxId): Promise<number>
}

/** One of the mailboxes between which messages went. */
export interface HookMailbox {
  readonly owner: AccountId
  readonly mailbox: MailboxId
  readonly role?: Role
}

/** Told within the transaction that did it, after it was done: what follows from it is written with it, or not at all. */
export interface MailHooks {
  /** Messages were copied or moved; `uids` are those in `to`, ascending. */
  placed?(tx: Writer, from: HookMailbox, to: HookMailbox, uids: readonly number[]): Promise<void>
  /** Flags were set (not taken away) on these messages of a mailbox, on which one of them was not there before. */
  flagged?(tx: Writer, mailbox: HookMailbox, flags: readonly string[], uids: Ranges): Promise<void>
}

/** For rooms above that write mail within their own transaction (delivery, provisioning). The account must be in the write's scope. */
export interface MailTx {
  ensureMailboxes(tx: Writer, account: AccountId): Promise<void>
  putContent(tx: Writer, content: NewContent): Promise<ContentId>
  /** Throws Fault over-quota without effect when there is no room. */
  deliver(
    tx: Writer,
    account: AccountId,
    mailbox: { role: Role } | { id: MailboxId },
    content: ContentId,
    item: AppendItem,
  ): Promise<{ mailbox: MailboxId; uid: number; message: MessageId }>
  /** As `deliver` for content already in the house (a queued copy, a posted DSN): what threading needs is read from its rows. Fault not-found when it is gone. */
  deliverStored(
    tx: Writer,
    account: AccountId,
    mailbox: { role: Role } | { id: MailboxId },
    content: ContentId,
    item: Omit<AppendItem, 'content'>,
  ): Promise<{ mailbox: MailboxId; uid: number; message: MessageId }>
  /** What an envelope for stored content must say. */
  contentFacts(tx: Reader, content: ContentId): Promise<{ size: number; has8bit: boolean } | undefined>
}
