// Who: domains, users, aliases, login and where an address leads.

import type { Address } from '../address/index.ts'
import type { AccountId, AliasId, DomainId } from '../base/index.ts'
import type { ScramHash } from '../sasl/index.ts'

export interface Domain {
  readonly id: DomainId
  /** Lower-case A-labels. */
  readonly name: string
  /** The domain whose users this name stands for. */
  readonly aliasOf?: string
  readonly settings: DomainSettings
}
/** As the author's domain asks; to the quarantine, or to Junk, where it asks for anything; or nothing but a mark. */
export type DmarcSetting = 'enforce' | 'quarantine' | 'junk' | 'record'
/** What is done with spam; `off`: nothing. */
export type SpamSetting = 'reject' | 'quarantine' | 'junk' | 'tag' | 'off'
/** What is done with malware; `off`: nothing. */
export type VirusSetting = 'reject' | 'quarantine' | 'off'
/** Which of their own settings users may put in the place of their domain's. */
export type UserVerdicts = 'none' | 'spam' | 'all'
export type DigestSetting = 'off' | 'daily'
/** Whether the author's domain is told of single messages that failed, and whether their subject is told too. */
export type FailureSetting = 'off' | 'on' | 'subject'

/** How many, or as many as one likes. */
export type Allowance = number | 'unlimited'

/** What somebody wants done with mail that is not as it should be. */
export interface VerdictSettings {
  /** Absent: as the filter proposes. */
  readonly spam?: SpamSetting
  /** From this score on a message is spam, and below it is none, whatever the filter's own threshold. */
  readonly spamScore?: number
  /** From this score on spam is refused, and below it never. */
  readonly spamRejectScore?: number
  /** Absent: reject. */
  readonly virus?: VirusSetting
  /** With mail whose author's domain disowns it (RFC 9989 §5.4); absent: enforce. */
  readonly dmarc?: DmarcSetting
}

/** `posthorn domain set D KEY=VALUE`; validated by the schema in accounts/settings.ts. */
export interface DomainSettings extends VerdictSettings {
  /** The character that begins the detail in `user+detail`; empty: none. */
  readonly detail?: string
  /** Quota of new users, bytes and messages. */
  readonly quotaBytes?: number
  readonly quotaMessages?: number
  /** Addresses that other servers say are not there go on the domain's suppression list by themselves. */
  readonly suppression?: boolean
  /** Mail leaves under a signed return path, so that what comes back later finds its message. */
  readonly returnPath?: boolean
  /** What comes back to a signed return path also goes to the sender's mailbox; absent: yes. */
  readonly passBounces?: boolean
  /** Mail that is forwarded to others leaves under a rewritten sender (SRS); absent: yes. */
  readonly srs?: boolean
  /** Days after which new DKIM keys are made, to be published; absent: never. */
  readonly dkimRotation?: number
  /** Absent: spam. */
  readonly userVerdicts?: UserVerdicts
  /** Days that mail stays in the quarantine; absent: 30. */
  readonly quarantineDays?: number
  /** Whether users are told of what came into the quarantine; absent: off. */
  readonly quarantineDigest?: DigestSetting
  /** The built-in spam filter looks at mail from outside; absent: yes. */
  readonly classifier?: boolean
  /** From how many percent on its answer is spam; absent: 90. */
  readonly spamThreshold?: number
  /** Mail to the domain is counted in the reports that other domains ask for (RFC 9990); absent: yes. */
  readonly dmarcReports?: boolean
  /** Messages to the domain that fail are told of one by one, where the author's domain asks for it (RFC 9991); absent: off. */
  readonly dmarcFailureReports?: FailureSetting
  /** The MTA-STS policy that we serve for it (RFC 8461 §5); absent: we serve none. */
  readonly mtaSts?: 'enforce' | 'testing' | 'none'
  /** With `mtaSts`: mail servers that the policy names beside ours, `*.` and a domain for all hosts one label below. */
  readonly mtaStsMx?: readonly string[]
  /** Nobody of the domain has a mailbox here: its mail is taken and sent on to its better mail servers. */
  readonly backupMx?: boolean
  /** With `backupMx`: the local parts that are taken, lower case; absent or empty: all. */
  readonly backupFor?: readonly string[]
  /** With `backupMx`: days that mail waits for them; absent: as all mail. */
  readonly backupDays?: number
  /** Recipients that each user, and all of them together, may write to in an hour; absent: the server's. */
  readonly userPerHour?: Allowance
  readonly domainPerHour?: Allowance
  /** Recipients here that one unauthenticated address may name in a minute; absent: the server's. */
  readonly strangerPerMinute?: Allowance
  /** Mail of unknown senders that nobody vouches for is to come again; absent: yes. */
  readonly greylist?: boolean
  /** Seconds after which it may; absent: the server's. */
  readonly greylistDelay?: number
}

export interface Account {
  readonly id: AccountId
  /** The user's own address, `local@domain`. */
  readonly email: string
  readonly name: string
  readonly disabled: boolean
  readonly admin: boolean
  readonly quotaBytes?: number
  readonly quotaMessages?: number
  readonly usedBytes: number
  readonly usedMessages: number
  readonly settings: AccountSettings
}
export interface AccountSettings {
  /** Addresses that get a copy of everything; with `keepCopy: false` the mailbox keeps none. */
  readonly forward?: readonly string[]
  readonly keepCopy?: boolean
  /** File a copy of mail submitted over SMTP in Sent. */
  readonly saveSent?: boolean
  /** Extensions of IMAP that the account is not offered, in capitals. */
  readonly imapHide?: readonly string[]
  /** In the place of the domain's, where it allows that. */
  readonly spam?: SpamSetting
  readonly spamScore?: number
  readonly spamRejectScore?: number
  readonly virus?: VirusSetting
  readonly quarantineDigest?: DigestSetting
  /** The built-in spam filter looks at this user's mail; absent: as his domain says. */
  readonly classifier?: boolean
  /** Percent; absent: as his domain says. */
  readonly spamThreshold?: number
  /** Recipients that the user may write to in an hour; absent: as his domain says. */
  readonly perHour?: Allowance
}

export interface Alias {
  readonly id: AliasId
  /** `local@domain`, or `@domain` for the catch-all. */
  readonly address: string
  readonly destinations: readonly string[]
}

/** Where an address leads, aliases and forwards expanded (depth ≤ 10, ≤ 1,000 destinations, each once). */
export type Resolution =
  | { readonly kind: 'local'; readonly local: readonly LocalDestination[]; readonly remote: readonly Address[] }
  /** The domain is not ours. */
  | { readonly kind: 'remote' }
  /** We are a backup MX of the domain: its mail waits here for its own servers, so long at most (milliseconds). */
  | { readonly kind: 'backup'; readonly lifetime?: number }
  /** The domain is ours and nobody has this address. */
  | { readonly kind: 'unknown' }
  /** The only owner is disabled. */
  | { readonly kind: 'disabled' }
export interface LocalDestination {
  readonly account: AccountId
  /** The address as it was reached (for Delivered-To); with its detail. */
  readonly address: Address
  /** The text after `+`, or absent. */
  readonly detail?: string
}

export interface Login {
  readonly account: AccountId
  readonly email: string
  readonly name: string
}
/** Keys for SCRAM (RFC 5802 §3). */
export interface ScramKeys {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** Who may try to sign in at all; told how each attempt ended. Addresses that are exempt are let through. */
export interface SignInGuard {
  /** Fault `limit` when the address has failed too often and is not known as the account's own. `account`: whom the name means, if anybody. */
  admit(ip: string, account: AccountId | undefined): Promise<void>
  failed(ip: string, name: string): Promise<void>
  succeeded(ip: string, name: string, account: AccountId): void
}

/** What may be asked anywhere: runs on a read-only store, in any thread. */
export interface AccountReads {
  resolve(address: Address): Promise<Resolution>
  /** Who stands behind an address, for people: as `resolve`, without what users forward, which is their own business. */
  members(address: Address): Promise<Resolution>
  /** Whether the account may use `address` as sender: its own address (with any detail), or an alias that leads to it. */
  owns(account: AccountId, address: Address): Promise<boolean>
  account(id: AccountId): Promise<Account | undefined>
  /** The one user whom an address means: his own, also in an alias of its domain, or an alias that leads to him alone. */
  findUser(address: string): Promise<Pick<Account, 'id' | 'email'> | undefined>
  findAccount(email: string): Promise<Account | undefined>
  /** Verifies a password off the event loop; Fault `unauthenticated` or `disabled`. `from` is the client's IP, for the log and the limits. */
  login(user: string, password: string, from: string): Promise<Login>
  /** Keys for SCRAM; for a user who has none made-up ones that stay the same, so that the answer tells nothing. */
  scram(user: string, hash: ScramHash, from: string): Promise<{ keys: ScramKeys; login?: Login }>
  /** How a SCRAM exchange for `user` ended: after a wrong proof the next attempt from there, or for that name, waits longer. */
  scramEnded(user: string, from: string, right: boolean): Promise<void>
  /** Would `bytes` more in one message fit? A hint at RCPT; the law is in the transaction. */
  hasRoom(account: AccountId, bytes: number): Promise<boolean>
  /** Whether its mailboxes are here: not those of which we are a backup MX. */
  isLocalDomain(domain: string): Promise<boolean>
  domains(): Promise<Domain[]>
  aliases(domain?: string): Promise<Alias[]>
  /** By address, 1,000 per page, after the given address. */
  accounts(options?: { readonly domain?: string; readonly after?: string }): Promise<Account[]>
}

/** What changes accounts: runs in the core. Faults: exists, not-found, invalid, in-use. */
export interface AccountWrites {
  addDomain(name: string, options?: { readonly aliasOf?: string }): Promise<Domain>
  /** Fault `in-use` while users, aliases or domain aliases remain. */
  removeDomain(name: string): Promise<void>
  setDomain(name: string, settings: DomainSettings): Promise<Domain>
  /** Also makes INBOX, Drafts, Sent, Junk, Trash, Archive, subscribed, in the same transaction. */
  addAccount(account: NewAccount): Promise<Account>
  /** At most 1,000 per call; hashes in parallel off the loop. Each answers by itself. */
  addAccounts(accounts: readonly NewAccount[]): Promise<{ email: string; error?: string }[]>
  setPassword(email: string, password: string): Promise<void>
  /** Keeps SCRAM keys made at a login, as text of scram-keys.ts, unless the password has changed since: `password` is its stored hash. */
  addScramKeys(account: AccountId, password: string, scram: string): Promise<void>
  renameAccount(email: string, to: string): Promise<Account>
  setDisabled(email: string, disabled: boolean): Promise<void>
  updateAccount(
    email: string,
    change: {
      name?: string
      admin?: boolean
      quotaBytes?: number | null
      quotaMessages?: number | null
      settings?: AccountSettings
    },
  ): Promise<Account>
  /** What removing would take away. */
  describeRemoval(
    email: string,
  ): Promise<{ email: string; mailboxes: number; messages: number; bytes: number; aliases: string[] }>
  /** Marks at once (no login, no delivery), sweeps as a job. */
  removeAccount(email: string): Promise<void>
  addAlias(address: string, destinations: readonly string[]): Promise<Alias>
  removeAlias(address: string): Promise<void>
}
export interface NewAccount {
  readonly email: string
  readonly password: string
  readonly name?: string
  readonly admin?: boolean
  readonly quotaBytes?: number
  readonly quotaMessages?: number
}
