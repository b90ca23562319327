// Names of mailboxes: what may be one, and how a path is taken apart. Knows neither the wire's encodings nor the store.

import { Fault } from '../base/index.ts'

/** Between the elements of a name. */
export const separator = '/'

const limits = {
  /** Bytes of UTF-8 in one element: what a file name may have, for those who keep a copy in folders. */
  element: 255,
  /** Bytes of the whole name: well under a line of IMAP in any encoding. */
  name: 1000,
  /** Deeper trees are a mistake or an attack on those who draw them. */
  depth: 20,
}

/**
 * The name as it is stored: Unicode NFC, `INBOX` in capitals also as the first of several elements, one separator at the end taken off
 * (RFC 9051 §6.3.4). Fault `invalid` when it cannot be a name.
 */
export function parseMailboxName(given: string): string {
  const trimmed = given.endsWith(separator) ? given.slice(0, -1) : given
  if (!trimmed.isWellFormed()) throw new Fault('invalid', 'the mailbox name is not Unicode')
  const elements = trimmed.normalize('NFC').split(separator)
  if (elements[0]!.toUpperCase() === 'INBOX') elements[0] = 'INBOX'
  if (elements.length > limits.depth)
    throw new Fault('invalid', `a mailbox name may have at most ${limits.depth} levels`)
  for (const element of elements) assertElement(element)
  const name = elements.join(separator)
  if (Buffer.byteLength(name) > limits.name)
    throw new Fault('invalid', `a mailbox name may have at most ${limits.name} bytes`)
  return name
}

function assertElement(element: string): void {
  if (element === '') throw new Fault('invalid', 'a mailbox name may have no empty level')
  if (Buffer.byteLength(element) > limits.element)
    throw new Fault('invalid', `one level of a mailbox name may have at most ${limits.element} bytes`)
  for (const character of element) {
    const code = character.codePointAt(0)!
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029)
      throw new Fault('invalid', 'a mailbox name may have no control characters')
  }
}

/** Mailboxes of others stand below this name, each under its owner's address. */
export const sharedPrefix = 'Shared/'

/** `Shared/<address>/<name>` taken apart; undefined for all other names. A local part may hold a separator, so the `@` comes first. */
export function parseSharedName(given: string): { readonly address: string; readonly name: string } | undefined {
  if (!given.startsWith(sharedPrefix)) return undefined
  const at = given.indexOf('@', sharedPrefix.length)
  const end = at < 0 ? -1 : given.indexOf(separator, at)
  if (end < 0) return undefined
  const name = given.slice(end + 1)
  const inbox = name.slice(0, 5).toUpperCase() === 'INBOX' && (name.length === 5 || name[5] === separator)
  return { address: given.slice(sharedPrefix.length, end), name: inbox ? `INBOX${name.slice(5)}` : name }
}

/** Whether the name belongs to others, so that no own mailbox may have it. */
export const isSharedName = (name: string): boolean => `${name}/`.startsWith(sharedPrefix)

/** The names above, outermost first: `a/b/c` → `a`, `a/b`. */
export function superiors(name: string): string[] {
  const elements = name.split(separator)
  return elements.slice(1).map((_, i) => elements.slice(0, i + 1).join(separator))
}

/** Whether `name` stands below `above`. */
export function isInferior(name: string, above: string): boolean {
  return name.startsWith(above + separator)
}
