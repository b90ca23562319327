// What the queue asks when a copy that had no room is due again. The copy was addressed when it arrived: nothing is expanded twice.

import type { AccountReads } from '../accounts/index.ts'
import { formatAddress } from '../address/index.ts'
import { isFault } from '../base/index.ts'
import type { MailTx } from '../mail/index.ts'
import type { LocalRetry } from '../queue/index.ts'
import { formatFinal } from './prefix.ts'
import { mailboxFull, placeOf } from './steps/commit.ts'

/** The queue's view of a mailbox. */
export function createLocalRetry({
  accounts,
  mail,
}: {
  readonly accounts: AccountReads
  readonly mail: MailTx
}): LocalRetry {
  return {
    async find({ address, params }) {
      const known = params?.account
      const account =
        known === undefined ? await accounts.findAccount(formatAddress(address)) : await accounts.account(known)
      return account && !account.disabled ? account.id : undefined
    },
    async deliver(tx, account, { content, prefix, sender, address, receivedAt, junk }) {
      const whole = Buffer.concat([Buffer.from(formatFinal(sender, address)), prefix])
      try {
        const { where, flags } = placeOf(junk)
        await mail.deliverStored(tx, account, where, content, { flags, receivedAt, prefix: whole })
        return 'delivered'
      } catch (error) {
        if (isFault(error, 'over-quota')) return { retry: mailboxFull }
        if (isFault(error, 'not-found')) return { fail: '5.1.1 the mailbox is gone' }
        throw error
      }
    },
  }
}
