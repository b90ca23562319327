// Every command of IMAP. Dispatch, CAPABILITY and the standards table are derived from this array.

import type { Command } from '../command.ts'
import { aclCommands } from './acl.ts'
import { append } from './append/index.ts'
import { replaceCommands } from './append/replace.ts'
import { compress } from './compress.ts'
import { copyCommands } from './copy.ts'
import { expungeCommands } from './expunge.ts'
import { fetchCommands } from './fetch/index.ts'
import { idle } from './idle.ts'
import { listCommands } from './list.ts'
import { mailboxCommands } from './mailboxes.ts'
import { metadataCommands } from './metadata.ts'
import { notify } from './notify.ts'
import { quotaCommands } from './quota.ts'
import { searchCommands } from './search/index.ts'
import { selectCommands } from './select.ts'
import { sessionCommands } from './session.ts'
import { signInCommands } from './sign-in.ts'
import { sortCommands } from './sort/index.ts'
import { status } from './status.ts'
import { storeCommands } from './store.ts'
import { threadCommands } from './thread/index.ts'
import { uidBatches } from './uid-batches.ts'

export const commands: readonly Command[] = [
  ...sessionCommands,
  ...signInCommands,
  ...mailboxCommands,
  ...listCommands,
  status,
  ...aclCommands,
  ...quotaCommands,
  ...metadataCommands,
  ...selectCommands,
  idle,
  notify,
  compress,
  append,
  ...replaceCommands,
  ...fetchCommands,
  ...storeCommands,
  ...searchCommands,
  ...sortCommands,
  ...threadCommands,
  ...copyCommands,
  ...expungeCommands,
  uidBatches,
]
