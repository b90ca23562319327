// Branded identifiers: a mailbox's number is never taken for an account's. All are positive safe integers.

declare const brand: unique symbol
type Id<B extends string> = number & { readonly [brand]: B }

export type DomainId = Id<'domain'>
export type AccountId = Id<'account'>
export type AliasId = Id<'alias'>
export type MailboxId = Id<'mailbox'>
export type MessageId = Id<'message'>
export type ContentId = Id<'content'>
export type ThreadId = Id<'thread'>
export type QueueId = Id<'queue'>
export type RecipientId = Id<'recipient'>
export type JobId = Id<'job'>

/** Brands a number that came from the store or the wire. */
export function toId<T extends number>(value: number): T {
  return value as T
}
