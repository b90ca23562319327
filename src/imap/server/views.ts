// All mailbox views of one thread: opened once, kept while somebody has them open, then as long as memory allows.

import { type AccountId, type Clock, Fault, type Log, type MailboxId } from '../../base/index.ts'
import { type Access, assertRight, type MailReads } from '../../mail/index.ts'
import type { Bell } from '../../store/index.ts'
import type { ImapLimits } from './limits.ts'
import { MailboxView } from './view.ts'

export interface MailboxViews {
  /** The view, caught up, for who may read it ("r"). Faults `denied`, and `not-found` when the mailbox is gone. */
  open(access: Access): Promise<MailboxView>
  readonly size: number
  close(): void
}

export function createMailboxViews(
  reads: Pick<MailReads, 'changesSince' | 'version'>,
  bell: Bell,
  clock: Clock,
  log: Log,
  limits: Pick<ImapLimits, 'viewBytes' | 'pollMs'>,
): MailboxViews {
  // In order of use: the first is the one unused for longest.
  const views = new Map<MailboxId, MailboxView>()

  const catchUpWatched = (wanted: (view: MailboxView) => boolean) => {
    for (const view of views.values()) {
      if (view.watchers.size === 0 || !wanted(view)) continue
      view.catchUp().catch((error: unknown) => log.error({ err: error }, 'a mailbox view could not catch up'))
    }
  }
  const stopHearing = bell.on((ring) => {
    if (!('account' in ring)) return
    const account: AccountId = ring.account
    catchUpWatched((view) => view.account === account && view.mailbox.modseq < ring.modseq)
  })
  let stopPolling = () => {}
  const poll = () => {
    catchUpWatched(() => true)
    stopPolling = clock.after(limits.pollMs, poll)
  }
  stopPolling = clock.after(limits.pollMs, poll)

  const evict = () => {
    let bytes = 0
    for (const view of views.values()) bytes += view.bytes
    for (const [id, view] of views) {
      if (bytes <= limits.viewBytes) return
      if (view.readers.size > 0) continue
      views.delete(id)
      bytes -= view.bytes
    }
  }

  return {
    async open({ mailbox: id, rights }) {
      assertRight(rights, 'r')
      const view = views.get(id) ?? new MailboxView(id, reads)
      views.delete(id)
      views.set(id, view)
      try {
        await view.catchUp()
      } catch (error) {
        if (view.mailbox === undefined) views.delete(id)
        throw error
      }
      if (view.gone) {
        views.delete(id)
        throw new Fault('not-found', 'the mailbox does not exist')
      }
      evict()
      return view
    },
    get size() {
      return views.size
    },
    close() {
      stopHearing()
      stopPolling()
      views.clear()
    },
  }
}
