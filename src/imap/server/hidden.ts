// Extensions that an account is not offered, because a client of its owner breaks on them. Knows names only.

import type { Command } from './command.ts'

/** Names as they stand in the account's settings, in capitals: `NOTIFY`; `THREAD` for all that begin with `THREAD=`. */
export type Hidden = ReadonlySet<string>

export const nothingHidden: Hidden = new Set()

/** Whether a capability is left out. IMAP4rev1 stays: without it no client would go on. */
export function hidesCapability(hidden: Hidden, capability: string): boolean {
  const name = capability.toUpperCase()
  const [family] = name.split('=')
  return name !== 'IMAP4REV1' && (hidden.has(name) || hidden.has(family!))
}

/** RFC 3501 §6: what IMAP is without any extension. These answer whatever is hidden. */
const plainCommands = new Set(
  (
    'CAPABILITY,NOOP,LOGOUT,STARTTLS,AUTHENTICATE,LOGIN,SELECT,EXAMINE,CREATE,DELETE,RENAME,SUBSCRIBE,UNSUBSCRIBE,LIST,LSUB,STATUS,' +
    'APPEND,CHECK,CLOSE,EXPUNGE,SEARCH,FETCH,STORE,COPY,UID SEARCH,UID FETCH,UID STORE,UID COPY'
  ).split(','),
)

/**
 * Whether a command is as unknown as if this server did not have it: the extension that it belongs to is hidden, which is the first that it
 * announces. UID MOVE goes with MOVE.
 */
export function hidesCommand(hidden: Hidden, command: Command, base: Command | undefined): boolean {
  if (hidden.size === 0 || plainCommands.has(command.name)) return false
  const announced = command.capabilities ?? base?.capabilities ?? []
  const own = announced.filter((capability) => familyOf(capability) === familyOf(announced[0]!))
  return own.length > 0 && own.every((capability) => hidesCapability(hidden, capability))
}

const familyOf = (capability: string) => capability.split('=')[0]
